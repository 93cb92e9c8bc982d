"""What the region models of make_region_models.py are written with: sizes, layers, heads, losses.

Used by region_fixture.py and by each model's second writing, region_*.py. A piece with weights
takes their table `w` and a name in it; `draw` draws the weights of given shapes.
"""

import math

import numpy as np
import torch

VOCABULARY, CLS, SEP, MASK, FIRST_WORD, IGNORED = 40, 2, 3, 4, 5, -100
HIDDEN, HEADS, FFN, LAYERS, EPS = 24, 4, 40, 2, 1e-12
FEATURES, CLASSES, ANSWERS = 10, 7, 6


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
