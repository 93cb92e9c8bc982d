"""UNITER, written a second time for make_region_models.py: regions, heads, losses and mistakes."""

import torch
from region_fixture import COMMON, MATCH, batch_tensors, finish, make_examples
from region_pieces import (
  ANSWERS, CLASSES, FEATURES, FFN, HEADS, HIDDEN, LAYERS, bert_layer, bert_shapes, bert_text,
  divergence, draw, gelu, linear, linear_shape, log_softmax, mean, norm, norm_shape, text_shapes,
  word_head_shapes, word_losses, word_scores,
)

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
