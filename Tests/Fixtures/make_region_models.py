"""Makes the fixtures of the region models: UNITER, VL-BERT, ViLBERT, Pixel-BERT and VSE, all tiny.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), safetensors 0.8.0, numpy 2.4.6.

    python Tests/Fixtures/make_region_models.py [--all-gradients] [model ...]

Writes Tests/Fixtures/{uniter,vlbert,vilbert,pixelbert,vse}/ beside this script. No package carries
these models, so each is written here a second time, from its equations, as naively as possible: one
example at a time, no padding, one head at a time, losses summed row by row. torch multiplies the
matrices and differentiates. Everything is computed in double precision from inputs that float32
holds exactly, and rounded to float32 when it is stored. The weights have the published names.

`wrong` names one usual mistake; a model run with it gives what that mistake would give. Its effect
on the output that it concerns is stored, so a test knows how fine its tolerance must be.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save as serialise

ROOT = Path(__file__).resolve().parent
SEED = 20190820

VOCABULARY, CLS, SEP, MASK, FIRST_WORD, IGNORED = 40, 2, 3, 4, 5, -100
HIDDEN, HEADS, FFN, LAYERS, EPS = 24, 4, 40, 2, 1e-12
FEATURES, CLASSES, ANSWERS = 10, 7, 6

TEXT_LENGTHS = [7, 4, 9, 5]
PICTURE_SIZES = [(64, 48), (50, 70), (81, 33), (40, 40)]  # (width, height)
HIDDEN_REGIONS = [[0, 1, 0, 0, 1], [0, 0, 0], [1, 0, 0, 1, 0, 1], [0, 0, 1, 0]]
MATCH = [1, 0, 1, 0]
GRIDS = [(2, 3), (3, 3), (2, 2), (1, 4)]

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


# MARK: The pieces


def linear(w, name, x):
  return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def standardise(x, eps):
  rows = []
  for row in x:
    mean = row.sum() / len(row)
    variance = ((row - mean) ** 2).sum() / len(row)
    rows.append((row - mean) / torch.sqrt(variance + eps))
  return torch.stack(rows)


def norm(w, name, x, wrong=None):
  eps = 1e-5 if wrong == "eps_1e-5" else EPS
  return standardise(x, eps) * w[f"{name}.weight"] + w[f"{name}.bias"]


def gelu(x, wrong=None):
  if wrong == "tanh_gelu":
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
  return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def relu(x):
  return torch.where(x > 0, x, torch.zeros_like(x))


def log_softmax(row):
  shifted = row - row.max().detach()
  return shifted - torch.log(torch.exp(shifted).sum())


def attend(query, key, value, heads):
  """Rows of `query` look at rows of `key`; one head after the other."""
  size = query.shape[1] // heads
  outputs = []
  for head in range(heads):
    part = slice(head * size, (head + 1) * size)
    scores = query[:, part] @ key[:, part].T / math.sqrt(size)
    shares = torch.stack([torch.exp(log_softmax(row)) for row in scores])
    outputs.append(shares @ value[:, part])
  return torch.cat(outputs, dim=1)


def feed_forward(w, first, second, x, wrong=None):
  """Both names are given because ViLBERT's connection layers do not follow BERT's."""
  y = linear(w, f"{second}.dense", gelu(linear(w, f"{first}.dense", x), wrong))
  return norm(w, f"{second}.LayerNorm", x + y, wrong)


def bert_layer(w, name, x, heads, wrong=None):
  at = f"{name}.attention"
  query, key, value = (linear(w, f"{at}.self.{part}", x) for part in ["query", "key", "value"])
  y = linear(w, f"{at}.output.dense", attend(query, key, value, heads))
  x = norm(w, f"{at}.output.LayerNorm", x + y, wrong)
  return feed_forward(w, f"{name}.intermediate", f"{name}.output", x, wrong)


def word_scores(w, name, x, table, wrong=None):
  """BERT's masked-word head: the decoder is the word table."""
  x = norm(w, f"{name}.transform.LayerNorm", gelu(linear(w, f"{name}.transform.dense", x), wrong),
           wrong)
  return x @ table.T + w[f"{name}.bias"]


def bert_text(w, name, ids, wrong=None):
  rows = []
  for position, word in enumerate(ids.tolist()):
    rows.append(w[f"{name}.word_embeddings.weight"][word]
                + w[f"{name}.position_embeddings.weight"][position]
                + w[f"{name}.token_type_embeddings.weight"][0])
  return norm(w, f"{name}.LayerNorm", torch.stack(rows), wrong)


def bert_shapes(name, hidden, ffn, layers):
  """Names and shapes of `layers` BERT layers under `name`."""
  shapes = {}
  for index in range(layers):
    layer = f"{name}.{index}"
    for part in ["query", "key", "value"]:
      shapes.update(linear_shape(f"{layer}.attention.self.{part}", hidden, hidden))
    shapes.update(linear_shape(f"{layer}.attention.output.dense", hidden, hidden))
    shapes.update(norm_shape(f"{layer}.attention.output.LayerNorm", hidden))
    shapes.update(linear_shape(f"{layer}.intermediate.dense", hidden, ffn))
    shapes.update(linear_shape(f"{layer}.output.dense", ffn, hidden))
    shapes.update(norm_shape(f"{layer}.output.LayerNorm", hidden))
  return shapes


def linear_shape(name, inputs, outputs):
  return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm_shape(name, size):
  return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def text_shapes(name, positions, types=2):
  return {
    f"{name}.word_embeddings.weight": (VOCABULARY, HIDDEN),
    f"{name}.position_embeddings.weight": (positions, HIDDEN),
    f"{name}.token_type_embeddings.weight": (types, HIDDEN),
  }


def word_head_shapes(name):
  return {
    **linear_shape(f"{name}.transform.dense", HIDDEN, HIDDEN),
    **norm_shape(f"{name}.transform.LayerNorm", HIDDEN), f"{name}.bias": (VOCABULARY,),
  }


# Spreads and centres, by the first piece that the name contains. Embeddings and the inside of heads
# are small, so that a wrong epsilon shows; queries and keys are large, so that attention is uneven.
SCALES = [
  ("visual_ln_text.weight", 0.05, 0.02), ("visual_ln_object.weight", 0.05, 0.02),
  ("visual_ln_text.bias", 0.0, 0.02), ("visual_ln_object.bias", 0.0, 0.02),
  ("LayerNorm.weight", 1.0, 0.2), ("LayerNorm1.weight", 1.0, 0.2), ("LayerNorm2.weight", 1.0, 0.2),
  ("layer_norm.weight", 1.0, 0.2), ("feat_regress.net.2.weight", 1.0, 0.2),
  ("region_classifier.net.2.weight", 1.0, 0.2), ("vqa_output.2.weight", 1.0, 0.2),
  ("feat_regress.net.0", 0.0, 0.01), ("region_classifier.net.0", 0.0, 0.01),
  ("vqa_output.0", 0.0, 0.05), ("transform.dense", 0.0, 0.01), ("mask_embedding", 0.0, 0.5),
  ("object_mask_visual_embedding", 0.0, 0.7), ("obj_downsample.1.weight", 0.0, 0.01),
  ("mvrc_head.region_cls_pred.weight", 0.0, 4.0),
  ("obj_downsample.1.bias", 0.0, 0.01), ("img_linear", 0.0, 0.02), ("pos_linear", 0.0, 0.05),
  ("visual_embeddings.type", 0.0, 0.7), ("visual_embeddings.projection", 0.0, 0.2),
  ("_layer_norm.bias", 0.0, 0.1), ("LayerNorm.bias", 0.0, 0.1), ("_embedding", 0.0, 0.03),
  ("vse.text.embedding", 0.0, 1.0), ("self.query.weight", 0.0, 0.3),
  ("self.key.weight", 0.0, 0.3), (".query1.weight", 0.0, 0.3), (".key1.weight", 0.0, 0.3),
  (".query2.weight", 0.0, 0.3), (".key2.weight", 0.0, 0.3), (".bias", 0.0, 0.1), ("", 0.0, 0.2),
]


def draw(rng, shapes, scales=()):
  weights = {}
  for name, shape in sorted(shapes.items()):
    centre, spread = next((c, s) for piece, c, s in [*scales, *SCALES] if piece in name)
    drawn = (centre + spread * rng.standard_normal(shape)).astype(np.float32)
    weights[name] = torch.from_numpy(drawn).double()
  return weights


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


# MARK: Losses


def mean(values):
  return sum(values) / len(values)


def word_losses(logits, labels):
  """One loss for every labelled token of one example."""
  return [-log_softmax(row)[label] for row, label in zip(logits, labels.tolist())
          if label != IGNORED]


def divergence(target, logits):
  """Σ p (log p − log q), where 0·log 0 is 0; `target` need not sum to 1."""
  log_q = log_softmax(logits)
  return sum(p * (math.log(p) - log_q[c]) for c, p in enumerate(target.tolist()) if p > 0)


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


# MARK: UNITER

UNITER_POSITIONS, OT_BETA, OT_ITERATIONS, OT_WEIGHT = 12, 0.5, 50, 0.1


def uniter_shapes():
  image = "uniter.img_embeddings"
  return {
    **text_shapes("uniter.embeddings", UNITER_POSITIONS),
    **norm_shape("uniter.embeddings.LayerNorm", HIDDEN),
    **linear_shape(f"{image}.img_linear", FEATURES, HIDDEN),
    **norm_shape(f"{image}.img_layer_norm", HIDDEN),
    **linear_shape(f"{image}.pos_linear", 7, HIDDEN),
    **norm_shape(f"{image}.pos_layer_norm", HIDDEN),
    **norm_shape(f"{image}.LayerNorm", HIDDEN),
    f"{image}.mask_embedding.weight": (2, FEATURES),
    **bert_shapes("uniter.encoder.layer", HIDDEN, FFN, LAYERS),
    **linear_shape("uniter.pooler.dense", HIDDEN, HIDDEN),
    **word_head_shapes("cls.predictions"),
    **linear_shape("feat_regress.net.0", HIDDEN, HIDDEN),
    **norm_shape("feat_regress.net.2", HIDDEN),
    "feat_regress.bias": (FEATURES,),
    **linear_shape("region_classifier.net.0", HIDDEN, HIDDEN),
    **norm_shape("region_classifier.net.2", HIDDEN),
    **linear_shape("region_classifier.net.3", HIDDEN, CLASSES),
    **linear_shape("itm_output", HIDDEN, 2), **linear_shape("rank_output", HIDDEN, 1),
    **linear_shape("vqa_output.0", HIDDEN, 2 * HIDDEN), **norm_shape("vqa_output.2", 2 * HIDDEN),
    **linear_shape("vqa_output.3", 2 * HIDDEN, ANSWERS),
  }


def uniter_geometry(box, size, wrong=None):
  width, height = size.tolist()
  if wrong == "geometry_in_pixels":
    width, height = 1, 1
  x1, y1, x2, y2 = box[0] / width, box[1] / height, box[2] / width, box[3] / height
  w, h = x2 - x1, y2 - y1
  area = w * h if wrong != "geometry_without_area" else 0 * w
  return torch.stack([x1, y1, x2, y2, w, h, area])


def uniter_regions(w, example, wrong=None):
  name = "uniter.img_embeddings"
  types = w["uniter.embeddings.token_type_embeddings.weight"]
  rows = []
  for index, hidden in enumerate(example["hidden"].tolist()):
    feature = example["features"][index]
    if hidden:
      if wrong != "hidden_feature_kept":
        feature = torch.zeros_like(feature)
      if wrong != "hidden_without_mask_row":
        feature = feature + w[f"{name}.mask_embedding.weight"][1]
    elif wrong == "mask_row_0_counted":
      feature = feature + w[f"{name}.mask_embedding.weight"][0]
    geometry = uniter_geometry(example["boxes"][index], example["size"], wrong)
    looks = linear(w, f"{name}.img_linear", feature)[None]
    looks = norm(w, f"{name}.img_layer_norm", looks, wrong)
    place = linear(w, f"{name}.pos_linear", geometry)[None]
    place = norm(w, f"{name}.pos_layer_norm", place, wrong)
    both = looks + place
    if wrong == "projections_averaged":
      both = both / 2
    row = both + types[0 if wrong == "image_type_row_0" else 1]
    if wrong == "regions_have_positions":
      row = row + w["uniter.embeddings.position_embeddings.weight"][index]
    rows.append(row[0])
  return norm(w, f"{name}.LayerNorm", torch.stack(rows), wrong)


def transport(x, y, wrong=None):
  """The distance of rows x [M, d] from rows y [N, d], and the plan [N, M], which is a constant."""
  unit = lambda rows: torch.stack([r / torch.clamp(torch.sqrt((r * r).sum()), min=1e-5)
                                   for r in rows])
  cost = 1 - unit(x) @ unit(y).T
  fixed = cost if wrong == "gradient_through_plan" else cost.detach()
  m, n = cost.shape
  kernel = torch.exp(-fixed.T / OT_BETA)
  plan = torch.ones(n, m, dtype=cost.dtype)
  sigma = torch.full((m,), 1 / m, dtype=cost.dtype)
  delta = torch.full((n,), 1 / n, dtype=cost.dtype)
  for _ in range(OT_ITERATIONS):
    q = kernel * plan
    if wrong == "sigma_before_delta":
      sigma = 1 / (m * (delta @ q))
      delta = 1 / (n * (q @ sigma))
    else:
      delta = 1 / (n * (q @ sigma))
      sigma = 1 / (m * (delta @ q))
    plan = delta[:, None] * q * sigma[None, :]
  distance = sum(cost[i, j] * plan[j, i] for i in range(m) for j in range(n))
  return distance, plan


def alignment(distances, match, wrong=None):
  matched = [d for d, m in zip(distances, match) if m]
  mismatched = [d for d, m in zip(distances, match) if not m]
  if wrong == "wra_mean_of_each_kind":
    return mean(matched) - mean(mismatched)
  return (sum(matched) - sum(mismatched)) / len(distances)


def uniter(w, batch, wrong=None):
  outputs = {}
  words, features, kls, hards, matches, distances, without = [], [], [], [], [], [], []
  ends = []
  head_wrong = "eps_1e-5" if wrong == "head_eps_1e-5" else wrong
  words_table = w["uniter.embeddings.word_embeddings.weight"]
  image_table = w["uniter.img_embeddings.img_linear.weight"]
  head_words = words_table.detach() if wrong == "decoder_not_tied" else words_table
  head_image = image_table.detach() if wrong == "feature_head_not_tied" else image_table
  for index, (example, match) in enumerate(zip(batch["examples"], batch["match"])):
    ids, labels, hidden = example["ids"], example["mlm_labels"], example["hidden"].tolist()
    text = bert_text(w, "uniter.embeddings", ids, wrong)
    regions = uniter_regions(w, example, wrong)
    outputs[f"{index}.text_embedding"], outputs[f"{index}.visual_embedding"] = text, regions
    x = torch.cat([text, regions])
    for layer in range(LAYERS):
      x = bert_layer(w, f"uniter.encoder.layer.{layer}", x, HEADS, wrong)
    text, regions = x[: len(ids)], x[len(ids):]
    pooled = torch.tanh(linear(w, "uniter.pooler.dense", x[0]))

    mlm = word_scores(w, "cls.predictions", text, head_words, head_wrong)
    y = gelu(linear(w, "feat_regress.net.0", regions), wrong)
    y = norm(w, "feat_regress.net.2", y, head_wrong)
    feature = y @ head_image + w["feat_regress.bias"]
    y = gelu(linear(w, "region_classifier.net.0", regions), wrong)
    y = norm(w, "region_classifier.net.2", y, head_wrong)
    classes = linear(w, "region_classifier.net.3", y)
    y = linear(w, "vqa_output.0", pooled)[None]
    if wrong == "vqa_norm_before_gelu":
      y = gelu(norm(w, "vqa_output.2", y))
    else:
      y = norm(w, "vqa_output.2", gelu(y, wrong), head_wrong)
    itm = linear(w, "itm_output", pooled)
    rank = linear(w, "rank_output", pooled)
    if wrong == "rank_from_itm":
      rank = itm[1:]
    distance, plan = transport(text, regions, wrong)
    inner_distance, _ = transport(text[1:-1], regions)
    outputs.update({
      f"{index}.text": text, f"{index}.visual": regions, f"{index}.pooled": pooled,
      f"{index}.mlm_logits": mlm, f"{index}.match_logits": itm, f"{index}.region_logits": classes,
      f"{index}.region_feature": feature, f"{index}.vqa_logits": linear(w, "vqa_output.3", y)[0],
      f"{index}.rank_score": rank, f"{index}.transport_plan": plan,
      f"{index}.transport_distance": distance.reshape(1),
    })

    words.append(word_losses(mlm, labels))
    for row in range(len(hidden)):
      if not hidden[row]:
        continue
      target = example["class_probabilities"][row]
      features.append(((feature[row] - example["features"][row]) ** 2).sum())
      kls.append(divergence(target, classes[row]))
      first = 0 if wrong == "hard_class_may_be_background" else 1
      best = max(range(first, CLASSES), key=lambda c: float(target[c]))
      hards.append(-log_softmax(classes[row])[best])
    matches.append(-log_softmax(itm)[1 - match if wrong == "match_label_0" else match])
    ends.append((text, regions))
    distances.append(distance)
    without.append(inner_distance)

  flat = [value for rows in words for value in rows]
  losses = {
    "mlm": mean([mean(rows) for rows in words]) if wrong == "mlm_mean_by_example" else mean(flat),
    "mrfr": mean(features) / FEATURES, "mrc_kl": mean(kls) / CLASSES, "itm": mean(matches),
    "wra": alignment(without if wrong == "wra_without_specials" else distances, batch["match"],
                     wrong),
    "mrc_hard": mean(hards), "mrfr_row_mean": mean(features), "mrc_kl_row_mean": mean(kls),
    "wra_without_specials": alignment(without, batch["match"]),
  }
  # What the alignment alone asks of the last layer: the plan passes no gradient.
  for index, pair in enumerate(ends):
    for key, grad in zip(["text", "visual"],
                         torch.autograd.grad(losses["wra"], pair, retain_graph=True)):
      outputs[f"{index}.wra_gradient_{key}"] = grad
  if wrong == "mrfr_is_row_mean":
    losses["mrfr"] = losses["mrfr_row_mean"]
  if wrong == "mrc_kl_is_row_mean":
    losses["mrc_kl"] = losses["mrc_kl_row_mean"]
  losses["total"] = (losses["mlm"] + losses["mrfr"] + losses["mrc_kl"] + losses["itm"]
                     + OT_WEIGHT * losses["wra"])
  return outputs, losses


UNITER_MISTAKES = {
  "mask_row_0_counted": "visual_embedding", "hidden_feature_kept": "visual_embedding",
  "hidden_without_mask_row": "visual_embedding", "image_type_row_0": "visual_embedding",
  "regions_have_positions": "visual_embedding", "projections_averaged": "visual_embedding",
  "geometry_without_area": "visual_embedding", "geometry_in_pixels": "visual_embedding",
  "eps_1e-5": "visual_embedding", "head_eps_1e-5": "mlm_logits",
  "vqa_norm_before_gelu": "vqa_logits", "rank_from_itm": "rank_score",
  "mrfr_is_row_mean": "losses.mrfr", "mrc_kl_is_row_mean": "losses.mrc_kl",
  "hard_class_may_be_background": "losses.mrc_hard", "match_label_0": "losses.itm",
  "mlm_mean_by_example": "losses.mlm", "wra_without_specials": "losses.wra",
  "wra_mean_of_each_kind": "losses.wra",
  "gradient_through_plan": "wra_gradient_text",
  "decoder_not_tied": "gradients.uniter.embeddings.word_embeddings.weight",
  "feature_head_not_tied": "gradients.uniter.img_embeddings.img_linear.weight",
  "small:sigma_before_delta": "transport_plan", "small:tanh_gelu": "text",
}


def make_uniter(rng):
  weights = draw(rng, uniter_shapes())
  examples = make_examples(rng)
  batch = {"examples": examples, "match": MATCH}
  tensors = {**batch_tensors(examples), "match": torch.tensor(MATCH)}
  finish("uniter", uniter, weights, batch, tensors, {
    **COMMON, "hidden": HIDDEN, "heads": HEADS, "ffn": FFN, "layers": LAYERS,
    "positions": UNITER_POSITIONS, "types": 2, "region_classes": CLASSES, "background_class": 0,
    "answers": ANSWERS, "geometry": ["x1", "y1", "x2", "y2", "w", "h", "w*h"],
    "match_label": 1, "transport": {"beta": OT_BETA, "iterations": OT_ITERATIONS,
                                    "weight": OT_WEIGHT},
    "total": "mlm + mrfr + mrc_kl + itm + 0.1 wra",
  }, UNITER_MISTAKES)


# MARK: VL-BERT

VLBERT_POSITIONS, FREQUENCIES, TEXT_ONLY_LENGTH = 18, 3, 6


def vlbert_shapes():
  return {
    **linear_shape("image_feature_extractor.obj_downsample.1", 8 * FREQUENCIES + FEATURES, HIDDEN),
    "object_linguistic_embeddings.weight": (1, HIDDEN),
    "object_mask_visual_embedding.weight": (1, FEATURES),
    "object_mask_word_embedding.weight": (1, HIDDEN),
    "aux_text_visual_embedding.weight": (1, HIDDEN),
    **text_shapes("vlbert", VLBERT_POSITIONS, types=3), "vlbert.end_embedding.weight": (1, HIDDEN),
    **norm_shape("vlbert.embedding_LayerNorm", HIDDEN),
    **norm_shape("vlbert.visual_ln_text", HIDDEN), **norm_shape("vlbert.visual_ln_object", HIDDEN),
    **bert_shapes("vlbert.encoder.layer", HIDDEN, FFN, LAYERS),
    **linear_shape("vlbert.pooler.dense", HIDDEN, HIDDEN),
    **word_head_shapes("vlbert.mlm_head.predictions"),
    **linear_shape("vlbert.mvrc_head.transform.dense", HIDDEN, HIDDEN),
    **linear_shape("vlbert.mvrc_head.region_cls_pred", HIDDEN, CLASSES),
    **linear_shape("vlbert.relationsip_head.caption_image_relationship", HIDDEN, 2),
  }


def coordinate_embedding(box, size, wrong=None):
  """For every one of cx, cy, w, h in percent of the picture: its sines, then its cosines."""
  width, height = size.tolist()
  x1, y1, x2, y2 = box.tolist()
  percent = 1 if wrong == "coordinates_are_shares" else 100
  numbers = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
  if wrong == "coordinates_are_corners":
    numbers = [x1 / width, y1 / height, x2 / width, y2 / height]
  base = 10000 if wrong == "frequency_base_10000" else 1000
  result = []
  for number in numbers:
    angles = [number * percent / base ** (k / FREQUENCIES) for k in range(FREQUENCIES)]
    if wrong == "sines_and_cosines_alternate":
      result += [f(angle) for angle in angles for f in (math.sin, math.cos)]
    else:
      result += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
  return torch.tensor(result, dtype=box.dtype)


def object_representation(w, box, size, looks, wrong=None):
  parts = [coordinate_embedding(box, size, wrong), looks]
  if wrong == "appearance_first":
    parts.reverse()
  y = linear(w, "image_feature_extractor.obj_downsample.1", torch.cat(parts))
  return y if wrong == "no_relu" else relu(y)


def whole_picture(example, wrong=None):
  """The box and the precomputed feature of the whole picture."""
  width, height = example["size"].tolist()
  less = 0 if wrong == "picture_box_ends_at_size" else 1
  box = torch.tensor([0, 0, width - less, height - less], dtype=example["features"].dtype)
  hidden = example["hidden"].tolist()
  used = [f for f, h in zip(example["features"], hidden)
          if not h or wrong == "picture_mean_with_hidden"]
  count = len(hidden) if wrong == "picture_mean_divided_by_all" else len(used)
  return box, sum(used) / (count + (0 if wrong == "picture_mean_without_1e-5" else 1e-5))


def vlbert_embed(w, example, with_end, wrong=None):
  """Rows of the text, then of img_0, the regions and END."""
  words = w["vlbert.word_embeddings.weight"]
  positions = w["vlbert.position_embeddings.weight"]
  types = w["vlbert.token_type_embeddings.weight"]
  text_norm, object_norm = "vlbert.visual_ln_text", "vlbert.visual_ln_object"
  if wrong == "visual_norms_swapped":
    text_norm, object_norm = object_norm, text_norm
  one = lambda name, row: norm(w, name, row[None], wrong)[0]
  ids = example["ids"].tolist()
  length = len(ids)
  image_type = types[1 if wrong == "image_type_1" else 2]
  rows = []

  objects = []
  if "features" in example:
    box, feature = whole_picture(example, wrong)
    image_words = w["object_linguistic_embeddings.weight"][0]
    whole = object_representation(w, box, example["size"], feature, wrong)
    objects.append((whole, image_words))
    for index, hidden in enumerate(example["hidden"].tolist()):
      feature, word = example["features"][index], image_words
      if hidden:
        feature = w["object_mask_visual_embedding.weight"][0]
        if wrong == "hidden_appearance_is_zero":
          feature = torch.zeros_like(feature)
        if wrong != "hidden_region_keeps_img_token":
          word = w["object_mask_word_embedding.weight"][0]
      looks = object_representation(w, example["boxes"][index], example["size"], feature, wrong)
      objects.append((looks, word))
    text_visual = one(text_norm, whole)
  else:
    text_visual = w["aux_text_visual_embedding.weight"][0]
    if wrong != "text_only_without_visual_norm":
      text_visual = one(text_norm, text_visual)

  for position, word in enumerate(ids):
    visual = 0 * text_visual if wrong == "no_visual_part" else text_visual
    rows.append(words[word] + visual + positions[position] + types[0])
  for index, (looks, word) in enumerate(objects):
    position = length + (index if wrong == "images_have_own_positions" else 0)
    visual = one(object_norm, looks)
    rows.append(word + (0 * visual if wrong == "no_visual_part" else visual)
                + positions[position] + image_type)
  end = w["vlbert.end_embedding.weight"][0] + image_type
  if wrong == "end_counts_its_place":
    end = end + positions[length + len(objects)]
  else:
    end = end + positions[length + 1]
  if objects and (with_end or wrong == "end_has_visual_part"):
    end = end + one(object_norm, objects[0][0])
  x = norm(w, "vlbert.embedding_LayerNorm", torch.stack([*rows, end]), wrong)
  return x[:length], x[length:]


def vlbert_encode(w, example, with_end=False, wrong=None):
  text, visual = vlbert_embed(w, example, with_end, wrong)
  x = torch.cat([text, visual])
  for layer in range(LAYERS):
    x = bert_layer(w, f"vlbert.encoder.layer.{layer}", x, HEADS, wrong)
  head_wrong = "eps_1e-5" if wrong == "head_eps_1e-5" else wrong
  rows = {
    "text_embedding": text, "visual_embedding": visual,
    "text": x[: len(text)], "visual": x[len(text):],
    "pooled": torch.tanh(linear(w, "vlbert.pooler.dense", x[0])),
  }
  rows["mlm_logits"] = word_scores(w, "vlbert.mlm_head.predictions", rows["text"],
                                   w["vlbert.word_embeddings.weight"], head_wrong)
  if "features" in example:
    first = 0 if wrong == "regions_start_at_img_0" else 1
    y = gelu(linear(w, "vlbert.mvrc_head.transform.dense", rows["visual"]), wrong)
    if wrong == "mvrc_head_has_norm":
      y = standardise(y, EPS)
    y = linear(w, "vlbert.mvrc_head.region_cls_pred", y)
    rows["region_logits"] = y[first: first + len(example["features"])]
    rows["match_logits"] = linear(
      w, "vlbert.relationsip_head.caption_image_relationship", rows["pooled"])
  return rows


def region_losses(example, logits, wrong=None):
  """VL-BERT's soft cross entropy: one value for every hidden region whose target counts."""
  values = []
  for row, hidden in enumerate(example["hidden"].tolist()):
    target = example["class_probabilities"][row]
    total = float(target.sum())
    if not hidden or (abs(total - 1) >= 0.1 and wrong != "every_target_counts"):
      continue
    if wrong == "targets_renormalised":
      target = target / total
    values.append(-(target * log_softmax(logits[row])).sum())
  return values


def vlbert(w, batch, wrong=None):
  outputs, losses = {}, {}
  for prefix in ["", "end."]:
    words, regions, relations = [], [], []
    for index, (example, match) in enumerate(zip(batch["examples"], batch["match"])):
      rows = vlbert_encode(w, example, prefix == "end.", wrong)
      outputs.update({f"{prefix}{index}.{key}": value for key, value in rows.items()})
      words += word_losses(rows["mlm_logits"], example["mlm_labels"])
      regions += region_losses(example, rows["region_logits"], wrong)
      relations.append(-log_softmax(rows["match_logits"])[match])
    rows = vlbert_encode(w, batch["textonly"], prefix == "end.", wrong)
    if not prefix:
      outputs.update({f"textonly.{key}": value for key, value in rows.items()})
    alone = word_losses(rows["mlm_logits"], batch["textonly"]["mlm_labels"])
    hidden = sum(int(example["hidden"].sum()) for example in batch["examples"])
    losses[f"{prefix}mlm"] = mean(words)
    losses[f"{prefix}mvrc"] = mean(regions)
    if wrong == "mvrc_divided_by_all_hidden":
      losses[f"{prefix}mvrc"] = sum(regions) / hidden
    losses[f"{prefix}mlm_text_only"] = mean(alone)
    losses[f"{prefix}relationship"] = mean(relations)
    both = mean(words) + mean(alone)
    if wrong == "one_mean_for_all_words":
      both = mean(words + alone)
    losses[f"{prefix}total"] = both + losses[f"{prefix}mvrc"]
  for index in range(len(batch["examples"])):
    # The text rows before the encoder do not depend on END.
    del outputs[f"end.{index}.text_embedding"], outputs[f"end.{index}.mlm_logits"]
  return outputs, losses


VLBERT_MISTAKES = {
  "end_has_visual_part": "visual", "end_counts_its_place": "textonly.visual_embedding",
  "images_have_own_positions": "visual_embedding", "image_type_1": "visual_embedding",
  "picture_box_ends_at_size": "text_embedding", "picture_mean_with_hidden": "text_embedding",
  "picture_mean_divided_by_all": "text_embedding", "visual_norms_swapped": "text_embedding",
  "no_visual_part": "text_embedding", "no_relu": "visual_embedding",
  "text_only_without_visual_norm": "textonly.text_embedding",
  "hidden_appearance_is_zero": "visual_embedding",
  "hidden_region_keeps_img_token": "visual_embedding", "appearance_first": "visual_embedding",
  "sines_and_cosines_alternate": "visual_embedding",
  "coordinates_are_shares": "visual_embedding", "coordinates_are_corners": "visual_embedding",
  "frequency_base_10000": "visual_embedding",
  "mvrc_head_has_norm": "region_logits", "regions_start_at_img_0": "region_logits",
  "every_target_counts": "losses.mvrc", "targets_renormalised": "losses.mvrc",
  "mvrc_divided_by_all_hidden": "losses.mvrc", "one_mean_for_all_words": "losses.total",
  "eps_1e-5": "text_embedding", "head_eps_1e-5": "mlm_logits",
  "small:picture_mean_without_1e-5": "text_embedding", "small:tanh_gelu": "text",
}


def make_vlbert(rng):
  weights = draw(rng, vlbert_shapes())
  examples = make_examples(rng)
  ids, labels = make_text(rng, TEXT_ONLY_LENGTH, 2)
  text_only = {"ids": ids, "mlm_labels": labels}
  batch = {"examples": examples, "match": MATCH, "textonly": text_only}
  tensors = {**batch_tensors(examples), "match": torch.tensor(MATCH),
             **{f"textonly.{key}": value for key, value in text_only.items()}}
  finish("vlbert", vlbert, weights, batch, tensors, {
    **COMMON, "hidden": HIDDEN, "heads": HEADS, "ffn": FFN, "layers": LAYERS,
    "positions": VLBERT_POSITIONS, "types": 3, "image_type": 2, "region_classes": CLASSES,
    "frequencies": FREQUENCIES, "frequency_base": 1000, "target_tolerance": 0.1,
    "match_label": 1, "total": "mlm + mvrc + mlm_text_only",
  }, VLBERT_MISTAKES)


# MARK: ViLBERT

VISUAL, VISUAL_LAYERS, VISUAL_FFN = 20, 2, 28
TEXT_LAYERS, TEXT_FFN, VILBERT_POSITIONS = 4, 18, 12
CONNECTED, CONNECTIONS = 16, [(0, 2), (1, 3)]  # (visual layer, text layer)
OVERLAP_LIMIT = 0.4


def vilbert_shapes():
  shapes = {
    **text_shapes("bert.embeddings", VILBERT_POSITIONS),
    **norm_shape("bert.embeddings.LayerNorm", HIDDEN),
    **linear_shape("bert.v_embeddings.image_embeddings", FEATURES, VISUAL),
    **linear_shape("bert.v_embeddings.image_location_embeddings", 5, VISUAL),
    **norm_shape("bert.v_embeddings.LayerNorm", VISUAL),
    **bert_shapes("bert.encoder.layer", HIDDEN, TEXT_FFN, TEXT_LAYERS),
    **bert_shapes("bert.encoder.v_layer", VISUAL, VISUAL_FFN, VISUAL_LAYERS),
    **linear_shape("bert.t_pooler.dense", HIDDEN, CONNECTED),
    **linear_shape("bert.v_pooler.dense", VISUAL, CONNECTED),
    **word_head_shapes("cls.predictions"),
    **linear_shape("cls.imagePredictions.transform.dense", VISUAL, VISUAL),
    **norm_shape("cls.imagePredictions.transform.LayerNorm", VISUAL),
    **linear_shape("cls.imagePredictions.decoder", VISUAL, CLASSES),
    **linear_shape("cls.bi_seq_relationship", CONNECTED, 2),
  }
  for index in range(len(CONNECTIONS)):
    layer = f"bert.encoder.c_layer.{index}"
    for number, size in [(1, VISUAL), (2, HIDDEN)]:
      for part in ["query", "key", "value"]:
        shapes.update(linear_shape(f"{layer}.biattention.{part}{number}", size, CONNECTED))
      shapes.update(linear_shape(f"{layer}.biOutput.dense{number}", CONNECTED, size))
      shapes.update(norm_shape(f"{layer}.biOutput.LayerNorm{number}", size))
    for stream, size, ffn in [("v", VISUAL, VISUAL_FFN), ("t", HIDDEN, TEXT_FFN)]:
      shapes.update(linear_shape(f"{layer}.{stream}_intermediate.dense", size, ffn))
      shapes.update(linear_shape(f"{layer}.{stream}_output.dense", ffn, size))
      shapes.update(norm_shape(f"{layer}.{stream}_output.LayerNorm", size))
  return shapes


def global_feature(example, wrong=None):
  """The sum of the features that are not hidden, divided by how many regions are clear.

  A region is clear when it overlaps no hidden one (itself included) by more than 0.4.
  """
  hidden = example["hidden"].tolist()
  boxes = example["boxes"].tolist()
  total = torch.zeros_like(example["features"][0])
  clear = 0
  for index, feature in enumerate(example["features"]):
    if not hidden[index] or wrong == "global_mean_with_hidden":
      total = total + feature
    near = any(h and overlap(boxes[index], box) > OVERLAP_LIMIT for h, box in zip(hidden, boxes))
    if wrong == "overlap_ignored":
      near = bool(hidden[index])
    if not near or wrong in ["global_mean_with_hidden", "global_mean_divided_by_all"]:
      clear += 1
  return total / max(clear, 1)


def location(box, size, wrong=None):
  width, height = size.tolist()
  x1, y1, x2, y2 = box.tolist()
  area = (x2 - x1) * (y2 - y1) / (width * height)
  if wrong == "location_without_area":
    area = 0
  return torch.tensor([x1 / width, y1 / height, x2 / width, y2 / height, area], dtype=box.dtype)


def vilbert_regions(w, example, wrong=None):
  first = torch.tensor([0, 0, 1, 1, 1], dtype=example["features"].dtype)
  rows = [(global_feature(example, wrong), first)]
  for index, hidden in enumerate(example["hidden"].tolist()):
    feature = example["features"][index]
    if hidden and wrong != "hidden_feature_kept":
      feature = torch.zeros_like(feature)
    rows.append((feature, location(example["boxes"][index], example["size"], wrong)))
  if wrong == "global_last":
    rows = rows[1:] + rows[:1]
  name = "bert.v_embeddings"
  looks = linear(w, f"{name}.image_embeddings", torch.stack([feature for feature, _ in rows]))
  places = linear(w, f"{name}.image_location_embeddings", torch.stack([place for _, place in rows]))
  return norm(w, f"{name}.LayerNorm", looks + places, wrong)


def connect(w, name, v, t, wrong=None):
  """One connection layer: each stream's queries meet the other's keys and values."""
  parts = {}
  for number, x in [(1, v), (2, t)]:
    for part in ["query", "key", "value"]:
      parts[f"{part}{number}"] = linear(w, f"{name}.biattention.{part}{number}", x)
  if wrong == "streams_see_themselves":
    to_v = attend(parts["query1"], parts["key1"], parts["value1"], HEADS)
    to_t = attend(parts["query2"], parts["key2"], parts["value2"], HEADS)
  else:
    to_v = attend(parts["query1"], parts["key2"], parts["value2"], HEADS)
    to_t = attend(parts["query2"], parts["key1"], parts["value1"], HEADS)
  out = f"{name}.biOutput"
  v = norm(w, f"{out}.LayerNorm1", v + linear(w, f"{out}.dense1", to_v), wrong)
  if wrong == "text_sees_new_regions":
    key = linear(w, f"{name}.biattention.key1", v)
    value = linear(w, f"{name}.biattention.value1", v)
    to_t = attend(parts["query2"], key, value, HEADS)
  t = norm(w, f"{out}.LayerNorm2", t + linear(w, f"{out}.dense2", to_t), wrong)
  v = feed_forward(w, f"{name}.v_intermediate", f"{name}.v_output", v, wrong)
  t = feed_forward(w, f"{name}.t_intermediate", f"{name}.t_output", t, wrong)
  return v, t


def vilbert_encode(w, v, t, wrong=None):
  v_start = t_start = 0
  later = 1 if wrong == "connection_after_its_layers" else 0
  for count, (v_layer, t_layer) in enumerate(CONNECTIONS):
    for index in range(t_start, t_layer + later):
      t = bert_layer(w, f"bert.encoder.layer.{index}", t, HEADS, wrong)
    for index in range(v_start, v_layer + later):
      v = bert_layer(w, f"bert.encoder.v_layer.{index}", v, HEADS, wrong)
    v, t = connect(w, f"bert.encoder.c_layer.{count}", v, t, wrong)
    v_start, t_start = v_layer + later, t_layer + later
  for index in range(v_start, VISUAL_LAYERS):
    v = bert_layer(w, f"bert.encoder.v_layer.{index}", v, HEADS, wrong)
  for index in range(t_start, TEXT_LAYERS):
    t = bert_layer(w, f"bert.encoder.layer.{index}", t, HEADS, wrong)
  return v, t


def vilbert(w, batch, wrong=None):
  outputs = {}
  words, regions, every_word, every_region, matches = [], [], [], [], []
  head_wrong = "eps_1e-5" if wrong == "head_eps_1e-5" else wrong
  for index, (example, match) in enumerate(zip(batch["examples"], batch["match"])):
    t = bert_text(w, "bert.embeddings", example["ids"], wrong)
    v = vilbert_regions(w, example, wrong)
    outputs[f"{index}.text_embedding"], outputs[f"{index}.visual_embedding"] = t, v
    outputs[f"{index}.global_feature"] = global_feature(example, wrong)
    v, t = vilbert_encode(w, v, t, wrong)
    active = torch.tanh if wrong == "pooled_by_tanh" else relu
    pooled_t = active(linear(w, "bert.t_pooler.dense", t[0]))
    pooled_v = active(linear(w, "bert.v_pooler.dense", v[0]))
    pooled = pooled_t + pooled_v if wrong == "pooled_by_sum" else pooled_t * pooled_v
    mlm = word_scores(w, "cls.predictions", t, w["bert.embeddings.word_embeddings.weight"],
                      head_wrong)
    y = gelu(linear(w, "cls.imagePredictions.transform.dense", v), wrong)
    if wrong != "image_head_without_norm":
      y = norm(w, "cls.imagePredictions.transform.LayerNorm", y, head_wrong)
    scores = linear(w, "cls.imagePredictions.decoder", y)
    first = 0 if wrong == "regions_start_at_global" else 1
    classes = scores[first: first + len(example["features"])]
    related = linear(w, "cls.bi_seq_relationship", pooled)
    outputs.update({
      f"{index}.text": t, f"{index}.visual": v, f"{index}.pooled": pooled,
      f"{index}.pooled_text": pooled_t, f"{index}.pooled_visual": pooled_v,
      f"{index}.mlm_logits": mlm, f"{index}.match_logits": related,
      f"{index}.region_logits": classes,
    })
    label = match if wrong == "match_label_1" else 1 - match
    matches.append(-log_softmax(related)[label])
    some_words = word_losses(mlm, example["mlm_labels"])
    some_regions = [divergence(example["class_probabilities"][row], classes[row])
                    for row, hidden in enumerate(example["hidden"].tolist()) if hidden]
    every_word += some_words
    every_region += some_regions
    if match:
      words += some_words
      regions += some_regions
  for key, kind in [("published", None), ("plain", "overlap_ignored")]:
    outputs[f"overlap.global_feature_{key}"] = global_feature(batch["overlap"], kind)
  losses = {
    "mlm": mean(words), "region_kl": mean(regions), "match": mean(matches),
    "mlm_of_all_pairs": mean(every_word), "region_kl_of_all_pairs": mean(every_region),
  }
  if wrong == "mismatched_pairs_counted":
    losses["mlm"], losses["region_kl"] = mean(every_word), mean(every_region)
  if wrong == "region_kl_is_element_mean":
    losses["region_kl"] = losses["region_kl"] / CLASSES
  if wrong == "region_kl_divided_by_all_hidden":
    losses["region_kl"] = sum(regions) / len(every_region)
  losses["total"] = losses["mlm"] + losses["region_kl"] + losses["match"]
  return outputs, losses


VILBERT_MISTAKES = {
  "global_mean_with_hidden": "visual_embedding", "global_mean_divided_by_all": "visual_embedding",
  "hidden_feature_kept": "visual_embedding", "global_last": "visual_embedding",
  "location_without_area": "visual_embedding", "streams_see_themselves": "text",
  "text_sees_new_regions": "text", "connection_after_its_layers": "text",
  "pooled_by_tanh": "pooled", "pooled_by_sum": "pooled", "image_head_without_norm": "region_logits",
  "regions_start_at_global": "region_logits", "match_label_1": "losses.match",
  "mismatched_pairs_counted": "losses.total", "region_kl_is_element_mean": "losses.region_kl",
  "region_kl_divided_by_all_hidden": "losses.region_kl",
  "eps_1e-5": "text_embedding", "head_eps_1e-5": "region_logits", "small:tanh_gelu": "text",
}


def make_vilbert(rng):
  weights = draw(rng, vilbert_shapes(), [
    ("image_embeddings.", 0.0, 0.03), ("image_location_embeddings.", 0.0, 0.05),
    ("bert.t_pooler.dense.bias", 0.3, 0.1), ("bert.v_pooler.dense.bias", 0.3, 0.1),
    ("biOutput.dense", 0.0, 0.2), ("encoder.v_layer.0.attention.self.query.weight", 0.0, 0.4),
    ("attention.output.dense.weight", 0.0, 0.15), ("_output.dense.weight", 0.0, 0.3),
  ])
  examples = make_examples(rng)
  # The second region covers most of the hidden first one; the third is far away.
  apart = {
    "features": exact(rng.standard_normal((3, FEATURES))), "size": torch.tensor([60, 44]),
    "boxes": exact([[4, 4, 24, 24], [5, 6, 25, 26], [40, 10, 58, 40]]),
    "hidden": torch.tensor([1, 0, 0]),
  }
  batch = {"examples": examples, "match": MATCH, "overlap": apart}
  tensors = {**batch_tensors(examples), "match": torch.tensor(MATCH),
             **{f"overlap.{key}": value for key, value in apart.items()}}
  published = global_feature(apart)
  plain = global_feature(apart, "overlap_ignored")
  share = float((published - plain).abs().max() / published.abs().max())
  # Weights that the published files hold beside these and that nothing reads.
  unused = {}
  for index in range(len(CONNECTIONS)):
    for number, size in [(1, VISUAL), (2, HIDDEN)]:
      unused.update(linear_shape(f"bert.encoder.c_layer.{index}.biOutput.q_dense{number}",
                                 CONNECTED, size))
  finish("vilbert", vilbert, weights, batch, tensors, {
    **COMMON, "hidden": HIDDEN, "heads": HEADS, "ffn": TEXT_FFN, "layers": TEXT_LAYERS,
    "positions": VILBERT_POSITIONS, "types": 2, "visual_hidden": VISUAL, "visual_heads": HEADS,
    "visual_ffn": VISUAL_FFN, "visual_layers": VISUAL_LAYERS, "connection_hidden": CONNECTED,
    "connection_heads": HEADS, "visual_connections": [v for v, _ in CONNECTIONS],
    "text_connections": [t for _, t in CONNECTIONS], "region_classes": CLASSES,
    "location": ["x1", "y1", "x2", "y2", "area"], "overlap_limit": OVERLAP_LIMIT,
    "match_label": 0, "total": "mlm + region_kl + match",
    "published_but_unused": {name: list(shape) for name, shape in unused.items()},
  }, VILBERT_MISTAKES, {
    "region_kl_without_targets": 0.0,
    "overlap": {"affects": "overlap.global_feature_published", "relative_change": short(share)},
  })


# MARK: Pixel-BERT

PIXEL_LAYERS, PIXEL_FFN, PIXEL_POSITIONS = 1, 18, 12


def pixelbert_shapes():
  return {
    **text_shapes("pixelbert.embeddings", PIXEL_POSITIONS),
    **norm_shape("pixelbert.embeddings.LayerNorm", HIDDEN),
    **linear_shape("pixelbert.visual_embeddings.projection", FEATURES, HIDDEN),
    "pixelbert.visual_embeddings.type": (1, HIDDEN),
    **bert_shapes("pixelbert.encoder.layer", HIDDEN, PIXEL_FFN, PIXEL_LAYERS),
    **linear_shape("pixelbert.pooler.dense", HIDDEN, HIDDEN),
    **word_head_shapes("cls.predictions"), **linear_shape("cls.seq_relationship", HIDDEN, 2),
  }


def pixelbert(w, batch, wrong=None):
  """A grid cell is its projection plus one shared vector: no position and no norm of its own."""
  outputs, words, matches = {}, [], []
  head_wrong = "eps_1e-5" if wrong == "head_eps_1e-5" else wrong
  for index, (example, match) in enumerate(zip(batch["examples"], batch["match"])):
    text = bert_text(w, "pixelbert.embeddings", example["ids"], wrong)
    cells = []
    for cell, feature in enumerate(example["features"]):
      row = linear(w, "pixelbert.visual_embeddings.projection", feature)
      if wrong != "cells_have_no_type":
        row = row + w["pixelbert.visual_embeddings.type"][0]
      if wrong == "cells_have_positions":
        row = row + w["pixelbert.embeddings.position_embeddings.weight"][cell]
      cells.append(row)
    pixels = torch.stack(cells)
    if wrong == "cells_have_norm":
      pixels = norm(w, "pixelbert.embeddings.LayerNorm", pixels)
    outputs[f"{index}.text_embedding"], outputs[f"{index}.visual_embedding"] = text, pixels
    x = torch.cat([text, pixels])
    for layer in range(PIXEL_LAYERS):
      x = bert_layer(w, f"pixelbert.encoder.layer.{layer}", x, HEADS, wrong)
    text, pixels = x[: len(text)], x[len(text):]
    pooled = torch.tanh(linear(w, "pixelbert.pooler.dense", x[0]))
    mlm = word_scores(w, "cls.predictions", text,
                      w["pixelbert.embeddings.word_embeddings.weight"], head_wrong)
    itm = linear(w, "cls.seq_relationship", pooled)
    outputs.update({
      f"{index}.text": text, f"{index}.visual": pixels, f"{index}.pooled": pooled,
      f"{index}.mlm_logits": mlm, f"{index}.match_logits": itm,
    })
    words += word_losses(mlm, example["mlm_labels"])
    matches.append(-log_softmax(itm)[1 - match if wrong == "match_label_0" else match])
  losses = {"mlm": mean(words), "itm": mean(matches)}
  losses["total"] = losses["mlm"] + losses["itm"]
  return outputs, losses


PIXELBERT_MISTAKES = {
  "cells_have_no_type": "visual_embedding", "cells_have_positions": "visual_embedding",
  "cells_have_norm": "visual_embedding", "match_label_0": "losses.itm",
  "eps_1e-5": "text_embedding", "head_eps_1e-5": "mlm_logits", "small:tanh_gelu": "text",
}


def make_pixelbert(rng):
  weights = draw(rng, pixelbert_shapes())
  examples = []
  for index, (length, (rows, columns)) in enumerate(zip(TEXT_LENGTHS, GRIDS)):
    ids, labels = make_text(rng, length, [2, 1, 3, 1][index])
    examples.append({
      "ids": ids, "mlm_labels": labels, "grid": torch.tensor([rows, columns]),
      "features": exact(rng.standard_normal((rows * columns, FEATURES))),
    })
  batch = {"examples": examples, "match": MATCH}
  tensors = {**batch_tensors(examples), "match": torch.tensor(MATCH)}
  finish("pixelbert", pixelbert, weights, batch, tensors, {
    **COMMON, "hidden": HIDDEN, "heads": HEADS, "ffn": PIXEL_FFN, "layers": PIXEL_LAYERS,
    "positions": PIXEL_POSITIONS, "types": 2, "grid": "[rows, columns], cells in raster order",
    "match_label": 1, "total": "mlm + itm",
  }, PIXELBERT_MISTAKES)


# MARK: VSE

MARGIN = 0.2


def vse_shapes():
  return {
    "vse.text.embedding.weight": (VOCABULARY, HIDDEN),
    **linear_shape("vse.text.fc", HIDDEN, HIDDEN), **linear_shape("vse.image.fc", FEATURES, HIDDEN),
  }


def vse(w, batch, wrong=None):
  """Means, one linear each, unit vectors; example i's text belongs to example i's picture."""
  outputs, texts, pictures = {}, [], []
  unit = lambda x: x if wrong == "not_unit_vectors" else x / torch.sqrt((x * x).sum())
  for index, example in enumerate(batch["examples"]):
    ids = example["ids"].tolist()
    words = ids if wrong == "specials_counted" else ids[1:-1]
    rows = [w["vse.text.embedding.weight"][word] for word in words]
    texts.append(unit(linear(w, "vse.text.fc", mean(rows))))
    pictures.append(unit(linear(w, "vse.image.fc", mean(list(example["features"])))))
    outputs[f"{index}.text_vector"], outputs[f"{index}.image_vector"] = texts[-1], pictures[-1]
  count = len(texts)
  scores = [[(p * t).sum() for t in texts] for p in pictures]
  outputs["similarity"] = torch.stack([torch.stack(row) for row in scores])
  zero = torch.zeros((), dtype=texts[0].dtype)
  margin = 0 if wrong == "no_margin" else MARGIN
  number = lambda value: float(value.detach())
  hinge = lambda negative, positive: torch.maximum(margin + negative - positive, zero)
  by_picture = [[hinge(scores[p][t], scores[p][p]) for t in range(count) if t != p]
                for p in range(count)]
  by_text = [[hinge(scores[p][t], scores[t][t]) for p in range(count) if p != t]
             for t in range(count)]
  groups = by_picture if wrong == "one_direction" else by_picture + by_text
  losses = {
    "triplet_hardest": sum(max(group, key=number) for group in groups),
    "triplet_sum": sum(value for group in groups for value in group),
  }
  if wrong == "mean_over_batch":
    losses["triplet_hardest"] = losses["triplet_hardest"] / count
  losses["total"] = losses["triplet_sum" if wrong == "sum_of_hinges" else "triplet_hardest"]
  # Far from every kink, so that single precision takes the same branches.
  flat = [number(value) for group in by_picture + by_text for value in group]
  assert wrong or min(abs(value) for value in flat if value) > 1e-3
  tops = [sorted(map(number, group))[-2:] for group in by_picture + by_text]
  assert wrong or all(top[1] - top[0] > 1e-3 for top in tops if top[1]), tops
  return outputs, losses


VSE_MISTAKES = {
  "specials_counted": "text_vector", "not_unit_vectors": "similarity", "no_margin": "losses.total",
  "one_direction": "losses.total", "mean_over_batch": "losses.triplet_hardest",
  "sum_of_hinges": "losses.total",
}


def make_vse(rng):
  weights = draw(rng, vse_shapes())
  examples = [{"ids": e["ids"], "features": e["features"]} for e in make_examples(rng)]
  finish("vse", vse, weights, {"examples": examples}, batch_tensors(examples), {
    **COMMON, "embedding": HIDDEN, "joint": HIDDEN, "margin": MARGIN,
    "similarity": "rows are pictures, columns are texts", "total": "triplet_hardest",
  }, VSE_MISTAKES)


# MARK: Main

MODELS = {
  "uniter": make_uniter, "vlbert": make_vlbert, "vilbert": make_vilbert,
  "pixelbert": make_pixelbert, "vse": make_vse,
}


if __name__ == "__main__":
  torch.set_num_threads(1)
  chosen = [argument for argument in sys.argv[1:] if argument != ALL_GRADIENTS]
  for number, (name, make) in enumerate(MODELS.items()):
    if not chosen or name in chosen:
      make(np.random.default_rng(SEED + number))
  sizes = {name: sum(path.stat().st_size for path in (ROOT / name).glob("*")) for name in MODELS}
  print("bytes:", sizes, sum(sizes.values()))
