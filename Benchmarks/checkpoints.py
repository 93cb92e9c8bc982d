"""How fast a checkpoint of 476 MiB opens, and how much memory loading it holds.

A BERT of random weights (seeded) is written as safetensors and as a file of torch.save into a
temporary folder; `tandem inspect` and `tandem import` then read each, the file being in the cache. Memory is the most
anonymous memory of the process, what is mapped from files not counted: aims are 1.2 times the model from
safetensors, 2.2 times from a pickle, and less than a second to open.

    "$(scripts/reference)" Benchmarks/checkpoints.py [PATH/TO/tandem]
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

WIDTH, FEED_FORWARD, LAYERS, VOCABULARY, PLACES = 768, 3072, 12, 30522, 20480
TURNS = 3


def weights():
    """BERT-base with a table of places so long that all weights together take 476 MiB."""
    generator = torch.Generator().manual_seed(0)
    state = {}

    def linear(name, inputs, outputs):
        state[f"{name}.weight"] = torch.randn(outputs, inputs, generator=generator) * 0.02
        state[f"{name}.bias"] = torch.zeros(outputs)

    def norm(name):
        state[f"{name}.weight"] = torch.ones(WIDTH)
        state[f"{name}.bias"] = torch.zeros(WIDTH)

    for table, rows in (("word", VOCABULARY), ("position", PLACES), ("token_type", 2)):
        state[f"embeddings.{table}_embeddings.weight"] = (
            torch.randn(rows, WIDTH, generator=generator) * 0.02)
    norm("embeddings.LayerNorm")
    for place in range(LAYERS):
        layer = f"encoder.layer.{place}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", WIDTH, WIDTH)
        linear(f"{layer}.attention.output.dense", WIDTH, WIDTH)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", WIDTH, FEED_FORWARD)
        linear(f"{layer}.output.dense", FEED_FORWARD, WIDTH)
        norm(f"{layer}.output.LayerNorm")
    linear("pooler.dense", WIDTH, WIDTH)
    return state


CONFIG = dict(
    model_type="bert", architectures=["BertModel"], hidden_size=WIDTH, num_hidden_layers=LAYERS,
    num_attention_heads=12, intermediate_size=FEED_FORWARD, vocab_size=VOCABULARY,
    max_position_embeddings=PLACES, type_vocab_size=2, layer_norm_eps=1e-12, hidden_act="gelu")


def measured(*command):
    """Seconds, and the most anonymous memory in MiB."""
    start = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        found = re.search(r"RssAnon:\s+(\d+)", status)
        most = max(most, int(found.group(1)) if found else 0)
        time.sleep(0.002)
    assert process.wait() == 0, command
    return time.monotonic() - start, most / 1024


def main(tandem=".build/release/tandem"):
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        state = weights()
        size = sum(tensor.numel() * 4 for tensor in state.values()) / 2**20
        for form in ("safetensors", "pickle"):
            (work / form).mkdir()
            (work / form / "config.json").write_text(json.dumps(CONFIG))
        save_file(state, work / "safetensors" / "model.safetensors")
        torch.save(state, work / "pickle" / "pytorch_model.bin")
        print(f"a model of {size:.0f} MiB; medians of {TURNS} turns")
        rows = []
        for form, limit in (("safetensors", 1.2), ("pickle", 2.2)):
            opened, loaded, memory = [], [], []
            for _ in range(TURNS):
                opened.append(measured(tandem, "inspect", work / form)[0])
                shutil.rmtree(work / "model", ignore_errors=True)
                seconds, most = measured(tandem, "import", work / form, "--output", work / "model")
                loaded.append(seconds)
                memory.append(most)
            middle = TURNS // 2
            rows.append((form, sorted(opened)[middle], sorted(loaded)[middle], max(memory), limit))
        for form, opened, loaded, memory, limit in rows:
            print(f"{form}: inspect {opened:.2f} s, import {loaded:.1f} s, {memory:.0f} MiB "
                  f"({memory / size:.2f} times the model, at most {limit})")
        assert all(opened < 1 and memory < limit * size for _, opened, _, memory, limit in rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
