"""Exports every tiny model of huggingface/ with the command and loads it with transformers: no key is
missing or unexpected, and the outputs are those that the folder expects.

Python 3.11, torch 2.13.0 (CPU), transformers 5.23.0:

  python3 Tests/Fixtures/check_exports.py PATH/TO/tandem [data/clip-vocabulary/FILE]

With CLIP's list of merges (`tandem data fetch clip-vocabulary`) it also sees that transformers reads the
tokeniser that is written beside it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

FOLDER = Path(__file__).resolve().parent / "huggingface"
RENAMED = {"visual_boxes": "visual_pos"}
LABELS = {"mlm_labels", "itm_labels", "ans", "obj_labels", "attr_labels", "feat_labels",
          "obj_confidence", "attr_confidence", "feat_confidence"}


def main(tandem):
  worst = 0.0
  for folder in sorted(FOLDER.iterdir()):
    if not (folder / "inputs.safetensors").exists():
      continue
    with tempfile.TemporaryDirectory() as work:
      exported, model = Path(work) / "exported", Path(work) / "model"
      for arguments in (["import", folder, "--output", model],
                        ["export", model, "--format", "huggingface", "--output", exported]):
        subprocess.run([tandem, *map(str, arguments)], check=True, capture_output=True)
      name = json.loads((exported / "config.json").read_text())["architectures"][0]
      model, info = getattr(transformers, name).from_pretrained(
        exported, output_loading_info=True)
      for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[kind], (folder.name, kind, info[kind])
      inputs = {
        RENAMED.get(key, key): value
        for key, value in load_file(folder / "inputs.safetensors").items() if key not in LABELS
      }
      if name.startswith("CLIP"):
        inputs.pop("token_type_ids", None)
      with torch.no_grad():
        outputs = model.eval()(**inputs)
      expected = load_file(folder / "expected.safetensors")
      compared = []
      for field, wanted in expected.items():
        found = outputs.get(field)
        if found is None or field == "last_hidden_state" and name.startswith("Vilt"):
          continue
        found = found.reshape(wanted.shape)
        # Places that the fixture holds as 0 are padding.
        kept = wanted.abs().sum(-1, keepdim=True) > 0 if wanted.dim() > 2 else wanted == wanted
        gap = ((found - wanted) * kept).abs().max() / wanted.abs().max()
        assert gap < 2e-5, (folder.name, field, float(gap))
        worst = max(worst, float(gap))
        compared.append(field)
      assert compared, folder.name
      print(f"{folder.name}: {name}: {', '.join(compared)}")
  print(f"largest difference {worst:.2e}")


def check_clip_tokenizer(tandem, merges):
  torch.manual_seed(0)
  small = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
  config = transformers.CLIPConfig(
    text_config=dict(small, vocab_size=49408),
    vision_config=dict(small, image_size=32, patch_size=8), projection_dim=8)
  with tempfile.TemporaryDirectory() as work:
    source, model, exported = (Path(work) / name for name in ("source", "model", "exported"))
    transformers.CLIPModel(config).save_pretrained(source)
    for arguments in (["import", source, "--vocabulary", merges, "--output", model],
                      ["export", model, "--output", exported]):
      subprocess.run([tandem, *map(str, arguments)], check=True, capture_output=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(exported)
    # As CLIP's own repository has them.
    ids = tokenizer("a photo of a cat")["input_ids"]
    assert ids == [49406, 320, 1125, 539, 320, 2368, 49407], ids
    print("clip: transformers reads the tokeniser")


if __name__ == "__main__":
  main(sys.argv[1])
  if len(sys.argv) > 2:
    check_clip_tokenizer(sys.argv[1], sys.argv[2])
