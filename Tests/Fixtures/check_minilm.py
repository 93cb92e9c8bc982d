"""Sentence embeddings of real weights: those of the command against those of transformers.

The weights are what `tandem data fetch all-minilm-l6-v2` makes; the sentences are the first ones of
the articles that `tandem data fetch wiki-extracts` makes, or the lines of a text file.

Python 3.11, torch 2.13.0 (CPU), transformers 5.23.0:

  python3 Tests/Fixtures/check_minilm.py PATH/TO/tandem data/all-minilm-l6-v2 data/wiki-extracts/en.json
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import BertModel, BertTokenizer


def pooled(states, mask):
  weights = mask.unsqueeze(-1).float()
  return torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)


def texts(path):
  """The first sentences of 1000 articles in the order of their titles, or 1000 lines."""
  text = Path(path).read_text()
  if path.endswith(".json"):
    articles = sorted(json.loads(text).items())
    lines = [re.split(r"(?<=[.!?])\s", article["extract"].strip())[0] for _, article in articles]
  else:
    lines = [line.strip() for line in text.splitlines()]
  return [line for line in lines if line][:1000]


def main(tandem, folder, sentences):
  lines = texts(sentences)
  inputs = BertTokenizer(str(Path(folder) / "vocab.txt"), do_lower_case=True)(
    lines, padding=True, truncation=True, max_length=128, return_tensors="pt")
  inputs = {name: tensor.contiguous() for name, tensor in inputs.items()}
  with tempfile.TemporaryDirectory() as work:
    file, out = Path(work) / "in.safetensors", Path(work) / "out.safetensors"
    save_file(inputs, file)
    subprocess.run(
      [tandem, "forward", folder, "--inputs", file, "--output", out], check=True,
      capture_output=True)
    found = pooled(load_file(out)["text_states"], inputs["attention_mask"])
  model = BertModel.from_pretrained(folder).eval()
  with torch.no_grad():
    wanted = torch.cat([
      pooled(model(**{name: tensor[place:place + 100] for name, tensor in inputs.items()})
             .last_hidden_state, inputs["attention_mask"][place:place + 100])
      for place in range(0, len(lines), 100)
    ])
  gap = (found - wanted).abs().max().item()
  print(f"{len(lines)} sentences, {int(inputs['attention_mask'].sum())} tokens: "
        f"largest difference {gap:.2e}")
  assert gap < 1e-4


if __name__ == "__main__":
  main(*sys.argv[1:])
