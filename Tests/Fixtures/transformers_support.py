"""What the LXMERT, VisualBERT and CLIP fixtures share: sizes, examples, files, weights, comparison.

For transformers_lxmert.py, transformers_visualbert.py and transformers_clip.py, which
make_transformers_models.py runs.
"""

import copy
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save as serialise
from torch import nn

FOLDER = Path(__file__).resolve().parent
SEED = 20191207

# The models. One place for the sizes: the fixtures' size on disk is nearly proportional to width².
LXMERT_WIDTH, LXMERT_FFN = 16, 14
LANGUAGE_LAYERS, VISUAL_LAYERS, CROSS_LAYERS = 3, 2, 2
OBJECTS, ATTRIBUTES, ANSWERS = 7, 5, 6
VISUALBERT_WIDTH, VISUALBERT_FFN, VISUALBERT_LAYERS = 16, 20, 2
CLIP_TEXT_WIDTH, CLIP_TEXT_FFN, CLIP_TEXT_LAYERS = 16, 20, 2
CLIP_VISION_WIDTH, CLIP_VISION_FFN, CLIP_VISION_LAYERS = 12, 20, 2
CLIP_PATCH, CLIP_IMAGE, CLIP_PROJECTION = 8, 24, 10
HEADS, VOCABULARY, MAX_TEXT, TYPES = 4, 40, 12, 2
FEATURE, BOX = 10, 4

PAD, CLS, SEP, MASK, FIRST_WORD = 0, 2, 3, 4, 5
BOS, EOS = 38, 39
IGNORED = -100
BERT_EPS, CLIP_EPS = 1e-12, 1e-5

# The four examples: text lengths with CLS and SEP (or start and end), regions, hidden regions.
TEXT_LENGTHS = [7, 4, 9, 5]
REGIONS = [5, 3, 6, 4]
HIDDEN = [[1], [2], [0, 4], []]
MATCH = [1, 0, 1, 1]
ANSWER = [2, IGNORED, 5, 0]
COUNT = len(TEXT_LENGTHS)


def save(folder, name, tensors):
  """Writes float32 and int64 tensors; the names are sorted so that the file is reproducible."""
  arrays = {}
  for key, value in sorted(tensors.items()):
    array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    kind = np.int64 if array.dtype.kind in "iub" else np.float32
    arrays[key] = np.array(array, dtype=kind, order="C")
  (FOLDER / folder / name).write_bytes(serialise(arrays))


def save_json(folder, name, value):
  (FOLDER / folder / name).write_text(json.dumps(value, indent=1) + "\n")


def rounded(values):
  return {key: round(value.item(), 12) for key, value in values.items()}


def short(value):
  if isinstance(value, dict):
    return {key: short(v) for key, v in value.items()}
  return float(f"{value:.1e}") if isinstance(value, float) else value


def parameter_counts(weights, trunk):
  counts = {"all": sum(w.numel() for w in weights.values())}
  counts["trunk"] = sum(w.numel() for k, w in weights.items() if k.startswith(trunk))
  counts["heads"] = counts["all"] - counts["trunk"]
  return counts


def report(name, losses, other, check, wrongs):
  for key, value in {**losses, "total": sum(losses.values()), **other}.items():
    print(f"{name} loss {key}: {value.item():.9f}")
  for key, value in check.items():
    print(f"{name} {key}: {value:.3e}")
  for key, value in wrongs.items():
    print(f"{name} moved by {key}: {value}")


# MARK: Weights


def draw_weights(model, names, scales, rng):
  """Fills the model in the order of the published names; returns the weights under those names.

  `names` has published name -> (library name or names, transposed). The first piece of `scales`
  that is in the published name gives centre and spread.
  """
  weights = {}
  with torch.no_grad():
    for published, (library, transposed) in sorted(names.items()):
      centre, spread = next((c, s) for piece, c, s in scales if piece in published)
      values = []
      for part in library:
        parameter = model.get_parameter(part)
        drawn = centre + spread * rng.standard_normal(tuple(parameter.shape))
        parameter.copy_(torch.from_numpy(np.asarray(drawn, dtype=np.float32)).double())
        values.append(parameter.detach().clone())
      weights[published] = publish(values, transposed)
  named = [name for library, _ in names.values() for name in library]
  assert sorted(named) == sorted(name for name, _ in model.named_parameters()), \
    set(named) ^ {name for name, _ in model.named_parameters()}
  return weights


def publish(values, transposed):
  value = torch.cat(values) if len(values) > 1 else values[0]
  return value.T.contiguous() if transposed else value.clone()


def gradients(model, names, loss):
  """The gradient of every parameter under its published name; every one must be reached."""
  model.zero_grad(set_to_none=True)
  loss.backward(retain_graph=True)
  return {
    published: publish([model.get_parameter(part).grad for part in library], transposed)
    for published, (library, transposed) in names.items()
  }


# Spreads (and centres) chosen so that every mistake shows. What a norm gets has a small variance,
# so a wrong epsilon moves the result; what an exact GELU gets is mostly negative, where the tanh
# form differs most from it in proportion.
BERT_SCALES = [
  ("embeddings.word_embeddings", 0.0, 0.015),
  ("position_embeddings", 0.0, 0.01),
  ("token_type_embeddings", 0.0, 0.01),
  ("visual_projection.weight", 0.0, 0.006),
  ("visn_fc.visn_fc.weight", 0.0, 0.006),
  ("visn_fc.box_fc.weight", 0.0, 0.015),
  ("cls.predictions.transform.LayerNorm.weight", 4.0, 0.8),
  ("obj_predict_head.transform.LayerNorm.weight", 1.0, 0.2),
  ("answer_head.logit_fc.2.weight", 1.0, 0.2),
  ("transform.LayerNorm.bias", 0.0, 0.2),
  ("answer_head.logit_fc.2.bias", 0.0, 0.2),
  ("LayerNorm.weight", 0.03, 0.008),
  ("layer_norm.weight", 0.03, 0.008),
  ("LayerNorm.bias", 0.0, 0.01),
  ("layer_norm.bias", 0.0, 0.01),
  ("visn_fc.bias", 0.0, 0.006),
  ("box_fc.bias", 0.0, 0.006),
  ("visual_projection.bias", 0.0, 0.006),
  ("query.weight", 0.0, 4.0),
  ("key.weight", 0.0, 4.0),
  ("value.weight", 0.0, 0.5),
  ("query.bias", 0.0, 0.3),
  ("key.bias", 0.0, 0.3),
  ("value.bias", 0.0, 0.05),
  ("intermediate.dense.weight", 0.0, 4.0),
  ("intermediate.dense.bias", -1.8, 0.5),
  ("_inter.dense.weight", 0.0, 4.0),
  ("_inter.dense.bias", -1.8, 0.5),
  ("attention.output.dense.weight", 0.0, 0.04),
  ("_att.output.dense.weight", 0.0, 0.04),
  ("output.dense.weight", 0.0, 0.06),
  ("output.dense.bias", 0.0, 0.01),
  ("pooler.dense.weight", 0.0, 3.0),
  ("transform.dense.weight", 0.0, 3.0),
  ("transform.dense.bias", -2.5, 0.5),
  ("answer_head.logit_fc.0.weight", 0.0, 0.4),
  ("answer_head.logit_fc.0.bias", -2.5, 0.5),
  ("seq_relationship.weight", 0.0, 1.0),
  (".bias", 0.0, 0.3),
  ("", 0.0, 0.3),
]


# MARK: Comparison


def difference(left, right):
  return max(float((a.double() - b.double()).detach().abs().max()) for a, b in zip(left, right))


def grouped(outputs):
  """{"0.text": t, "1.text": u} -> {"text": [t, u]}, in a fixed order."""
  groups = {}
  for key in sorted(outputs):
    first, _, rest = key.partition(".")
    groups.setdefault(rest if first.isdigit() else key, []).append(outputs[key])
  return groups


def moved(right, wrong):
  """Per kind of output the largest change as a share of that output's largest value."""
  left, changed = grouped(right), grouped(wrong)
  return {
    key: difference(left[key], changed[key]) / max(float(v.detach().abs().max()) for v in left[key])
    for key in left
  }


def check_moved(name, report, keys):
  """A wrong variant must move each of these outputs by at least 1e-3 of its largest value."""
  for key in keys:
    assert report[key] >= 1e-3, f"{name} moves {key} by {report[key]:.1e} only"
  return {key: float(f"{value:.1e}") for key, value in report.items() if value > 1e-12}


def variant(model, edit, run, right, name, keys):
  changed = copy.deepcopy(model)
  edit(changed)
  with torch.no_grad():
    return check_moved(name, moved(right, run(changed)), keys)


def with_epsilon(piece, value):
  """Sets the epsilon of every norm whose name has one of these pieces."""
  pieces = [piece] if isinstance(piece, str) else piece

  def edit(changed):
    count = 0
    for name, module in changed.named_modules():
      if isinstance(module, nn.LayerNorm) and any(p in name for p in pieces):
        module.eps = value
        count += 1
    assert count > 0, pieces

  return edit


def with_activation(attribute, function, piece=""):
  """Replaces an activation wherever a module whose name has the piece keeps it."""

  def edit(changed):
    count = 0
    for name, module in changed.named_modules():
      if piece in name and attribute in module.__dict__.get("_modules", {}):
        setattr(module, attribute, function)
        count += 1
    assert count > 0, (attribute, piece)

  return edit


def all_checks(model, names, alone, padded, loss_of, alone_loss, padded_loss, total):
  """Agreement of padded and single runs, and of the same computation in single precision."""
  left, right = gradients(model, names, alone_loss), gradients(model, names, padded_loss)
  check = {
    "alone_and_padded_outputs": difference(*zip(*[(alone[k], padded[k]) for k in padded])),
    "alone_and_padded_loss": difference([alone_loss], [padded_loss]),
    "alone_and_padded_gradients": max(
      difference([left[k]], [right[k]]) / max(float(right[k].abs().max()), 1.0) for k in right),
  }
  assert set(alone) == set(padded)
  assert all(value < 1e-12 for value in check.values()), check
  # The bias of the keys cannot change a softmax, so its gradient is rounding noise.
  largest = {k: float(g.abs().max()) for k, g in right.items() if not k.endswith("key.bias")}
  silent = [k for k, value in largest.items() if value == 0]
  assert silent == [k for k in largest if k == "bert.embeddings.token_type_embeddings.weight"]
  largest = {k: value for k, value in largest.items() if value > 0}
  check["smallest_largest_gradient"] = min(largest.values())

  single = copy.deepcopy(model).float()
  outputs32 = loss_of(single)
  grads32 = gradients(single, names, total(outputs32))
  check["float32_outputs_relative"] = max(moved(padded, outputs32).values())
  check["float32_gradients_relative"] = max(
    difference([right[k]], [grads32[k]]) / largest[k] for k in largest)
  return right, check


# MARK: Batches of text and regions


def draw(rng, shape, spread):
  """Normal numbers that float32 holds exactly, as doubles."""
  return torch.from_numpy((spread * rng.standard_normal(shape)).astype(np.float32)).double()


def uniform(rng, shape, low, high):
  return torch.from_numpy(rng.uniform(low, high, size=shape).astype(np.float32)).double()


def make_text(rng, length):
  words = rng.integers(FIRST_WORD, VOCABULARY, size=length - 2)
  ids = np.concatenate([[CLS], words, [SEP]])
  labels = np.full(length, IGNORED)
  for place in rng.permutation(np.arange(1, length - 1))[: max(1, (length - 2) // 3)]:
    labels[place] = ids[place]
    ids[place] = MASK
  return torch.from_numpy(ids), torch.from_numpy(labels)


def padded_rows(values, fill, length):
  """Rows of every example, padded on the right with `fill` (a number or a maker of rows)."""
  rows = []
  for value in values:
    missing = length - len(value)
    shape = (missing, *value.shape[1:])
    more = fill(shape) if callable(fill) else torch.full(shape, fill, dtype=value.dtype)
    rows.append(torch.cat([value, more.to(value.dtype)]))
  return torch.stack(rows)


def masks(lengths):
  return (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]).long()


def mean_loss(logits, labels):
  return F.cross_entropy(torch.cat(logits), torch.cat(labels), ignore_index=IGNORED)


def gather(outputs, key):
  return [outputs[f"{i}.{key}"] for i in range(COUNT)]
