"""ViLBERT, written a second time for make_region_models.py: two streams, losses and mistakes."""

import torch
from region_fixture import (
  COMMON, MATCH, batch_tensors, exact, finish, make_examples, overlap, short,
)
from region_pieces import (
  CLASSES, FEATURES, HEADS, HIDDEN, attend, bert_layer, bert_shapes, bert_text, divergence, draw,
  feed_forward, gelu, linear, linear_shape, log_softmax, mean, norm, norm_shape, relu, text_shapes,
  word_head_shapes, word_losses, word_scores,
)

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
