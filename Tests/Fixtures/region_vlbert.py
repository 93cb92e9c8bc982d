"""VL-BERT, written a second time for make_region_models.py: regions, heads, losses and mistakes."""

import math

import torch
from region_fixture import COMMON, MATCH, batch_tensors, finish, make_examples, make_text
from region_pieces import (
  CLASSES, EPS, FEATURES, FFN, HEADS, HIDDEN, LAYERS, bert_layer, bert_shapes, draw, gelu, linear,
  linear_shape, log_softmax, mean, norm, norm_shape, relu, standardise, text_shapes,
  word_head_shapes, word_losses, word_scores,
)

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
