"""What all region models of make_region_models.py share: the examples, the run, and the files.

Used by each model's second writing, region_*.py: `make_examples` draws what a model is given, and
`finish` runs the model right and with every mistake and writes its folder beside this file.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from region_pieces import (
  CLASSES, CLS, EPS, FEATURES, FIRST_WORD, IGNORED, MASK, SEP, VOCABULARY,
)
from safetensors.numpy import save as serialise

ROOT = Path(__file__).resolve().parent

TEXT_LENGTHS = [7, 4, 9, 5]
PICTURE_SIZES = [(64, 48), (50, 70), (81, 33), (40, 40)]  # (width, height)
HIDDEN_REGIONS = [[0, 1, 0, 0, 1], [0, 0, 0], [1, 0, 0, 1, 0, 1], [0, 0, 1, 0]]
MATCH = [1, 0, 1, 0]

# Encoder layers whose gradients are not stored, to keep the files small: layers of the same form
# beside them are, and what is stored depends on these. --all-gradients stores them as well.
LEFT_OUT = {
  "uniter": ["uniter.encoder.layer.1."], "vlbert": ["vlbert.encoder.layer.1."],
  "vilbert": ["bert.encoder.layer.", "bert.encoder.v_layer.1.", "bert.encoder.c_layer.1."],
  "pixelbert": ["pixelbert.encoder."], "vse": [],
}
ALL_GRADIENTS = "--all-gradients"

# A mistake must move what it concerns by this share of its largest value.
VISIBLE = 1e-3


# MARK: Files


def save(folder, name, tensors):
  """Writes float32 and int64 tensors; the names are sorted so that the file is reproducible."""
  arrays = {}
  for key, value in sorted(tensors.items()):
    array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    kind = np.int64 if array.dtype.kind in "iub" else np.float32
    arrays[key] = np.ascontiguousarray(array, dtype=kind)
  (ROOT / folder / name).write_bytes(serialise(arrays))


def short(value):
  return float(f"{value:.3e}")


# MARK: The batch


def make_text(rng, length, labelled):
  """Masked ids and labels; the second labelled word is replaced and not masked."""
  ids = np.concatenate([[CLS], rng.integers(FIRST_WORD, VOCABULARY, size=length - 2), [SEP]])
  labels = np.full(length, IGNORED)
  for count, place in enumerate(rng.permutation(np.arange(1, length - 1))[:labelled]):
    labels[place] = ids[place]
    ids[place] = rng.integers(FIRST_WORD, VOCABULARY) if count == 1 else MASK
  return torch.from_numpy(ids), torch.from_numpy(labels)


def overlap(a, b):
  """Intersection over union, with the + 1 of old detection code."""
  w = min(a[2], b[2]) - max(a[0], b[0]) + 1
  h = min(a[3], b[3]) - max(a[1], b[1]) + 1
  if w <= 0 or h <= 0:
    return 0.0
  area = lambda box: (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
  return float(w * h / (area(a) + area(b) - w * h))


def make_boxes(rng, width, height, hidden):
  """Boxes in half pixels; none overlaps a hidden one by more than 0.3."""
  while True:
    boxes = []
    for _ in hidden:
      xs = np.sort(rng.integers(0, 2 * width - 1, size=2)) / 2
      ys = np.sort(rng.integers(0, 2 * height - 1, size=2)) / 2
      boxes.append([xs[0], ys[0], xs[1], ys[1]])
    large = all(b[2] - b[0] > 5 and b[3] - b[1] > 5 for b in boxes)
    apart = all(overlap(boxes[i], boxes[j]) <= 0.3 for i in range(len(boxes)) if hidden[i]
                for j in range(len(boxes)) if i != j)
    if large and apart:
      return np.array(boxes)


def make_classes(rng, example, count):
  rows = np.exp(1.5 * rng.standard_normal((count, CLASSES)))
  for row in range(0, count, 2):
    rows[row, rng.permutation(CLASSES)[:3]] = 0
  rows /= rows.sum(1, keepdims=True)
  if example == 0:
    # A hidden region whose most likely class is the background.
    rows[1] = [0.4, 0.05, 0.1, 0.25, 0.05, 0.1, 0.05]
  rows = rows.astype(np.float32)
  if example == 2:
    rows[3] *= 0.5  # far from a distribution: VL-BERT leaves it out
  if example == 3:
    rows[2] *= 0.9375  # near one: VL-BERT counts it as it is
  return rows


def exact(array):
  return torch.from_numpy(np.asarray(array, dtype=np.float32)).double()


def make_examples(rng):
  examples = []
  for index, length in enumerate(TEXT_LENGTHS):
    ids, labels = make_text(rng, length, [2, 1, 3, 1][index])
    width, height = PICTURE_SIZES[index]
    hidden = HIDDEN_REGIONS[index]
    examples.append({
      "ids": ids, "mlm_labels": labels,
      "features": exact(rng.standard_normal((len(hidden), FEATURES))),
      "boxes": exact(make_boxes(rng, width, height, hidden)),
      "size": torch.tensor([width, height]), "hidden": torch.tensor(hidden),
      "class_probabilities": exact(make_classes(rng, index, len(hidden))),
    })
  return examples


# MARK: Running a model and its mistakes


def cast(value, kind):
  if isinstance(value, torch.Tensor):
    return value.to(kind) if value.is_floating_point() else value
  if isinstance(value, dict):
    return {key: cast(item, kind) for key, item in value.items()}
  if isinstance(value, list):
    return [cast(item, kind) for item in value]
  return value


def run(model, weights, batch, wrong=None, kind=torch.float64):
  """Outputs, losses and the gradient of the total."""
  w = {name: value.to(kind).clone().requires_grad_() for name, value in weights.items()}
  outputs, losses = model(w, cast(batch, kind), wrong)
  names = sorted(w)
  grads = torch.autograd.grad(losses["total"], [w[name] for name in names], allow_unused=True)
  gradients = {name: grad for name, grad in zip(names, grads) if grad is not None}
  detached = {key: value.detach() for key, value in outputs.items()}
  return detached, {k: float(v.detach()) for k, v in losses.items()}, gradients


def change(right, wrong, what):
  """The largest change of `what`, as a share of its largest value.

  losses.X, gradients.NAME, or an output's name with or without what stands before its last dot.
  """
  if what.startswith("losses."):
    key = what.removeprefix("losses.")
    return abs(wrong[1][key] - right[1][key]) / abs(right[1][key])
  if what.startswith("gradients."):
    key = what.removeprefix("gradients.")
    return float((wrong[2][key] - right[2][key]).abs().max() / right[2][key].abs().max())
  keys = [key for key in right[0] if key == what or (
    "." not in what and key.count(".") == 1 and key.split(".")[0].isdigit()
    and key.split(".")[1] == what)]
  assert keys, what
  moved = max(float((wrong[0][key] - right[0][key]).abs().max()) for key in keys)
  return moved / max(float(right[0][key].abs().max()) for key in keys)


def finish(folder, model, weights, batch, tensors, config, mistakes, extra=None):
  """Runs the model and every mistake and writes the model's folder."""
  (ROOT / folder).mkdir(parents=True, exist_ok=True)
  right = run(model, weights, batch)
  outputs, losses, gradients = right
  wrong, small = {}, {}
  for name, what in mistakes.items():
    share = change(right, run(model, weights, batch, name.removeprefix("small:")), what)
    table = small if name.startswith("small:") else wrong
    table[name.removeprefix("small:")] = {"affects": what, "relative_change": short(share)}
    print(f"{folder} wrong {name}: {what} moves by {share:.2e}")
    assert name.startswith("small:") or share >= VISIBLE, (folder, name, share)

  # A key's bias adds the same to all scores of a query, so its gradient is 0 but for rounding.
  still = [name for name, value in gradients.items() if float(value.abs().max()) < 1e-12]
  assert all(name.split(".")[-2].startswith("key") for name in still), still
  moving = {name: value for name, value in gradients.items() if name not in still}
  single = run(model, weights, batch, kind=torch.float32)
  floats = lambda table: {k: v for k, v in table.items() if v.is_floating_point()}
  checks = {
    "float32_outputs": max(float((single[0][k].double() - v).abs().max())
                           for k, v in floats(outputs).items()),
    "float32_losses": max(abs(single[1][k] - v) for k, v in losses.items()),
    "float32_gradients_relative": max(
      float((single[2][k].double() - v).abs().max() / v.abs().max()) for k, v in moving.items()),
    "smallest_largest_gradient": min(float(v.abs().max()) for v in moving.values()),
  }
  assert checks["float32_gradients_relative"] < 1e-2, checks
  assert checks["smallest_largest_gradient"] > 1e-6, checks
  save(folder, "weights.safetensors", weights)
  save(folder, "batch.safetensors", tensors)
  save(folder, "outputs.safetensors", outputs)
  out = [] if ALL_GRADIENTS in sys.argv else LEFT_OUT[folder]
  save(folder, "gradients.safetensors", {name: value for name, value in gradients.items()
                                         if not name.startswith(tuple(out))})
  report = {
    "config": config,
    "losses": {key: round(value, 12) for key, value in losses.items() if key != "total"},
    "total": round(losses["total"], 12),
    "parameter_count": sum(value.numel() for value in weights.values()),
    "no_gradient": sorted(set(weights) - set(gradients)), "gradient_is_0": sorted(still),
    "gradients_left_out": out,
    "wrong": wrong, "wrong_but_small": small,
    "checks": {key: short(value) for key, value in checks.items()},
    **(extra or {}),
  }
  (ROOT / folder / f"{folder}.json").write_text(json.dumps(report, indent=1) + "\n")
  for key, value in losses.items():
    print(f"{folder} loss {key}: {value:.6f}")
  print(f"{folder} checks: {report['checks']}")


def batch_tensors(examples, keys=None):
  return {f"{index}.{key}": value for index, example in enumerate(examples)
          for key, value in example.items() if keys is None or key in keys}


COMMON = {
  "vocabulary": VOCABULARY, "cls": CLS, "sep": SEP, "mask": MASK, "first_word": FIRST_WORD,
  "ignored_label": IGNORED, "feature_width": FEATURES, "eps": EPS,
}
