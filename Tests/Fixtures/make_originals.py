"""Makes the fixtures of the importers: tiny checkpoints in the files of the original repositories.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), safetensors 0.8.0, numpy 2.4.6.

    python Tests/Fixtures/make_originals.py

Reads {vilt,vlbert,lxmert,uniter,vilbert,visualbert,clip}/weights.safetensors beside this script and
writes Tests/Fixtures/originals/: the same weights as each repository publishes them, a tiny BERT of
2018, a tiny UNIMO in Paddle's format, files that an importer must refuse, and originals.json.

originals.json says for each file what an importer must find. Names are those of the file, prefix
included:

  family      the architecture; `source` is the fixture with the same weights
  container   "zip", "sequence" (before PyTorch 1.6), "torchscript" or "paddle"
  inside      the key under which the weights lie, where the file holds more than weights
  prefix      what stands before every name
  location    the device that storages name
  tensors     how many names the weights have; `types` counts them by type of element
  beside      names at the top that are no weights
  buffers     names among the weights that are no parameters
  tied        pairs of names with one storage: the copy, then the parameter
  views       tensors that begin inside their storage
  unused      weights that the architecture does not read
  renamed     pieces of names: as in the file, as in the source
  nan         tensors that hold NaN
  shape       of the one variable in paddle-long, which holds 0, 1, 2 and so on
  refuse      why the file must be refused

Everything is written again from the numbers, so a second run gives the same bytes. Every file is
read back and compared bit by bit, except those that would do harm.
"""

import json
import os
import pickle
import pickletools
import shutil
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from originals_clip import make_clip
from originals_files import (
  FOLDER, SEED, TOLD, VOCABULARY, ModelCheckpoint, ValidationMonitor, draw, inside_storage, linear,
  pickle_of, save_sequence, source, state, tie, write,
)
from originals_unimo import make_unimo

LIMIT = 900_000

BERT_WIDTH, BERT_FFN, BERT_LAYERS, BERT_POSITIONS = 24, 8, 2, 12

COMMAND = "touch evil-was-run"
BOMB = 10_000_000


# MARK: The region models and ViLT


def make_vilt():
  weights = source("vilt")
  step = {
    "step": 7, "exp_avg": torch.full((32,), 0.25), "exp_avg_sq": torch.full((32,), 0.0625),
  }
  group = {"lr": 1e-4, "betas": (0.9, 0.98), "eps": 1e-8, "weight_decay": 0.01, "params": [0]}
  value = {
    "epoch": 1, "global_step": 7, "pytorch-lightning_version": "1.1.4",
    "callbacks": {ModelCheckpoint: {
      "monitor": "val/the_metric", "best_model_score": torch.tensor(0.5),
      "best_model_path": "result/checkpoints/epoch=1-step=7.ckpt",
    }},
    "optimizer_states": [{"state": {0: step}, "param_groups": [group]}],
    "lr_schedulers": [{"base_lrs": [1e-4], "last_epoch": 7, "lr_lambdas": [None]}],
    "state_dict": state(weights),
    "hparams_name": "config",
    "hyper_parameters": {"config": {
      "exp_name": "vilt", "loss_names": {"mlm": 1, "itm": 1, "vqa": 0}, "hidden_size": 32,
      "num_heads": 4, "num_layers": 2, "patch_size": 8, "image_size": 32, "max_text_len": 12,
      "draw_false_image": 1, "resume_from": None, "learning_rate": 1e-4,
    }},
  }
  write("vilt.ckpt", "vilt", value, "zip", inside="state_dict", source="vilt",
        buffers=["text_embeddings.position_ids"])
  named = [(op.name, arg) for op, arg, _ in pickletools.genops(pickle_of(FOLDER / "vilt.ckpt"))]
  assert ("GLOBAL", "pytorch_lightning.callbacks.model_checkpoint ModelCheckpoint") in named


def make_vlbert():
  weights = {"module." + name: value for name, value in source("vlbert").items()}
  pair = tie(weights, "module.vlbert.mlm_head.predictions.decoder.weight",
             "module.vlbert.word_embeddings.weight")
  monitor = ValidationMonitor()
  monitor.host_metric_name, monitor.best_epoch, monitor.best_val = "MLMAcc", 1, 0.625
  # Before PyTorch 1.5 optimisers named parameters by their addresses.
  address = 140213467129864
  value = {
    "state_dict": state(weights),
    "optimizer": {
      "state": {address: {
        "step": 7, "exp_avg": torch.full((24,), 0.25), "exp_avg_sq": torch.full((24,), 0.0625),
      }},
      "param_groups": [{"lr": 1e-7, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 1e-4,
                        "correct_bias": True, "initial_lr": 1e-7, "params": [address]}],
    },
    "epoch": 1,
    "validation_monitor": monitor,
  }
  write("vlbert.model", "vlbert", value, "sequence", location="cuda:0", inside="state_dict",
        source="vlbert", prefix="module.", tied=[pair])


def make_lxmert():
  weights = {"module." + name: value for name, value in source("lxmert").items()}
  pair = tie(weights, "module.cls.predictions.decoder.weight",
             "module.bert.embeddings.word_embeddings.weight")
  write("lxmert_LXRT.pth", "lxmert", state(weights), "sequence", location="cuda:0",
        source="lxmert", prefix="module.", tied=[pair])


def uniter_weights():
  weights = source("uniter")
  assert weights["uniter.embeddings.token_type_embeddings.weight"].shape[0] == 2
  pairs = [
    tie(weights, "cls.predictions.decoder.weight", "uniter.embeddings.word_embeddings.weight"),
    tie(weights, "feat_regress.weight", "uniter.img_embeddings.img_linear.weight"),
  ]
  return weights, pairs


def make_uniter():
  weights, pairs = uniter_weights()
  view = "uniter.img_embeddings.mask_embedding.weight"
  weights[view] = inside_storage(weights[view], 12, 5)
  write("uniter.pt", "uniter", weights, "zip", source="uniter", tied=pairs, views=[view])


def make_vilbert():
  generator = torch.Generator().manual_seed(SEED)
  weights = {"module." + name: value for name, value in source("vilbert").items()}
  unused = {}
  for name, value in list(weights.items()):
    if ".biOutput.dense" in name:
      unused[name.replace(".dense", ".q_dense")] = draw(generator, value.shape)
  weights.update(unused)
  pair = tie(weights, "module.cls.predictions.decoder.weight",
             "module.bert.embeddings.word_embeddings.weight")
  write("vilbert.bin", "vilbert", state(weights), "sequence", source="vilbert", prefix="module.",
        tied=[pair], unused=sorted(unused))


# Pieces of names: as in the file, as in the source. Replaced in this order, wherever they stand.
VISUALBERT_NAMES = [
  ["bert.bert", "visual_bert"], ["bert.cls", "cls"],
  ["token_type_embeddings_visual", "visual_token_type_embeddings"],
  ["position_embeddings_visual", "visual_position_embeddings"],
  ["projection", "visual_projection"],
]


def make_visualbert():
  weights = {}
  for name, value in source("visualbert").items():
    for original, library in VISUALBERT_NAMES:
      at_start = library in ("visual_bert", "cls")
      if name.startswith(library + ".") if at_start else f".{library}." in name:
        name = name.replace(library, original, 1)
    assert name.startswith("bert.") and "visual_" not in name, name
    weights[name] = value
  pair = tie(weights, "bert.cls.predictions.decoder.weight",
             "bert.bert.embeddings.word_embeddings.weight")
  write("visualbert.th", "visualbert", state(weights), "zip", source="visualbert", tied=[pair],
        renamed=VISUALBERT_NAMES)


def old_norm(generator, name):
  return {
    f"{name}.gamma": draw(generator, (BERT_WIDTH,), 1.0),
    f"{name}.beta": draw(generator, (BERT_WIDTH,)),
  }


def make_bert():
  """BERT as of 2018, when norms had gammas and betas."""
  g = torch.Generator().manual_seed(SEED + 1)
  at = "bert.embeddings"
  weights = {
    f"{at}.word_embeddings.weight": draw(g, (VOCABULARY, BERT_WIDTH)),
    f"{at}.position_embeddings.weight": draw(g, (BERT_POSITIONS, BERT_WIDTH)),
    f"{at}.token_type_embeddings.weight": draw(g, (2, BERT_WIDTH)),
    **old_norm(g, f"{at}.LayerNorm"),
  }
  for index in range(BERT_LAYERS):
    at = f"bert.encoder.layer.{index}"
    for part in ["query", "key", "value"]:
      weights.update(linear(g, f"{at}.attention.self.{part}", BERT_WIDTH, BERT_WIDTH))
    weights.update(linear(g, f"{at}.attention.output.dense", BERT_WIDTH, BERT_WIDTH))
    weights.update(old_norm(g, f"{at}.attention.output.LayerNorm"))
    weights.update(linear(g, f"{at}.intermediate.dense", BERT_WIDTH, BERT_FFN))
    weights.update(linear(g, f"{at}.output.dense", BERT_FFN, BERT_WIDTH))
    weights.update(old_norm(g, f"{at}.output.LayerNorm"))
  weights.update(linear(g, "bert.pooler.dense", BERT_WIDTH, BERT_WIDTH))
  weights["cls.predictions.bias"] = draw(g, (VOCABULARY,))
  weights.update(linear(g, "cls.predictions.transform.dense", BERT_WIDTH, BERT_WIDTH))
  weights.update(old_norm(g, "cls.predictions.transform.LayerNorm"))
  pair = tie(weights, "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight")
  weights.update(linear(g, "cls.seq_relationship", BERT_WIDTH, 2))
  write("bert-gamma-beta.bin", "bert", state(weights), "sequence", tied=[pair],
        renamed=[[".gamma", ".weight"], [".beta", ".bias"]])


# MARK: Files to refuse


class Call:
  """Pickled as a call of the system's shell."""

  def __reduce__(self):
    return os.system, (COMMAND,)


def refuse(name, why, **more):
  TOLD[name] = {"refuse": why, **more}


def make_evil():
  value = OrderedDict([("weight", torch.arange(6.0)), ("trap", Call()), ("bias", torch.ones(2))])
  path = FOLDER / "calls-os-system.pth"
  save_sequence(value, path, "cpu")
  # Pickles name the module that a function comes from, "posix"; files made by hand say "os".
  stream = path.read_bytes()
  assert stream.count(b"cposix\nsystem\n") == 1
  path.write_bytes(stream.replace(b"cposix\nsystem\n", b"cos\nsystem\n"))
  torch.save(value, FOLDER / "calls-os-system.zip.pt")
  for name, called in [("calls-os-system.pth", "os system"),
                       ("calls-os-system.zip.pt", "posix system")]:
    path = FOLDER / name
    code = [(op.name, arg) for op, arg, _ in pickletools.genops(pickle_of(path))]
    place = code.index(("GLOBAL", called))
    assert "REDUCE" in [op for op, _ in code[place : place + 8]], name
    try:
      torch.load(path, weights_only=True)
    except pickle.UnpicklingError:
      pass
    else:
      raise AssertionError(f"{name} was read")
    refuse(name, f"calls {called.replace(' ', '.')}")
  assert not Path("evil-was-run").exists()

  path = FOLDER / "bomb.pt"
  with zipfile.ZipFile(path, "w") as archive:
    for name, content in [("data.pkl", pickle.dumps({"weight": bytes(BOMB)}, 3)),
                          ("version", b"3\n")]:
      info = zipfile.ZipInfo(f"bomb/{name}")
      info.compress_type = zipfile.ZIP_DEFLATED
      archive.writestr(info, content, compresslevel=9)
    expanded = archive.getinfo("bomb/data.pkl").file_size
  assert expanded > BOMB and path.stat().st_size < 20_000
  refuse(path.name, "data.pkl expands far beyond its size", expands_to=expanded)


def make_nan():
  """UNITER with one layer and the matching head, as after fine-tuning for retrieval."""
  holes = ["itm_output.bias", "uniter.encoder.layer.0.attention.self.value.weight"]
  weights = {name: value for name, value in source("uniter").items()
             if name.startswith(("uniter.", "itm_output.")) and ".layer.1." not in name}
  weights[holes[0]][1] = float("nan")
  weights[holes[1]][3, 4] = float("nan")
  write("nan.pt", "uniter", weights, "sequence", nan=holes, refuse="two tensors hold NaN")


def main():
  torch.set_num_threads(1)
  shutil.rmtree(FOLDER, ignore_errors=True)
  FOLDER.mkdir()
  for make in [make_vilt, make_vlbert, make_lxmert, make_uniter, make_vilbert, make_visualbert,
               make_bert, make_clip, make_unimo, make_evil, make_nan]:
    make()
  (FOLDER / "originals.json").write_text(json.dumps(TOLD, indent=1) + "\n")
  total = 0
  for path in sorted(FOLDER.iterdir()):
    parts = list(path.iterdir()) if path.is_dir() else [path]
    size = sum(part.stat().st_size for part in parts)
    total += size
    print(f"{size:8} {path.name}")
  print(f"{total:8} in all")
  assert total < LIMIT


if __name__ == "__main__":
  main()
