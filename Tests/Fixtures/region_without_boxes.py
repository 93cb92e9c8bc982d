"""Pixel-BERT and VSE, written a second time for make_region_models.py: neither knows boxes.

Pixel-BERT reads the cells of a grid, VSE the mean of a picture's features.
"""

import torch
from region_fixture import (
  COMMON, MATCH, TEXT_LENGTHS, batch_tensors, exact, finish, make_examples, make_text,
)
from region_pieces import (
  FEATURES, HEADS, HIDDEN, VOCABULARY, bert_layer, bert_shapes, bert_text, draw, linear,
  linear_shape, log_softmax, mean, norm, norm_shape, text_shapes, word_head_shapes, word_losses,
  word_scores,
)


# MARK: Pixel-BERT

PIXEL_LAYERS, PIXEL_FFN, PIXEL_POSITIONS = 1, 18, 12
GRIDS = [(2, 3), (3, 3), (2, 2), (1, 4)]


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
