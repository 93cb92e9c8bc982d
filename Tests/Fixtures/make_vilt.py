"""Makes the ViLT fixtures: a tiny random model run by the reference library, and transport plans.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, safetensors 0.8.0,
numpy 2.4.6.

    python Tests/Fixtures/make_vilt.py

Writes Tests/Fixtures/vilt/*.safetensors and *.json beside this script. Every number is computed in
double precision from inputs that float32 holds exactly, and rounded to float32 when it is stored.
The weights have the names of the published ViLT checkpoints; the reference is the library's
ViltModel, whose norms are set to the published epsilons (the library has one epsilon for all).
"""

import copy
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save as serialise
from torch import nn
from transformers import ViltConfig, ViltModel
from transformers.models.vilt.modeling_vilt import ViltMLMHead

FOLDER = Path(__file__).resolve().parent / "vilt"
SEED = 20210514

HIDDEN, LAYERS, HEADS, FFN = 32, 2, 4, 64
VOCABULARY, MAX_TEXT, PATCH, GRID, ANSWERS = 40, 12, 8, 4, 11
PAD, CLS, SEP, MASK, FIRST_WORD = 0, 2, 3, 4, 5
IGNORED = -100

# The published epsilons: timm's blocks, BERT's embeddings and head, torch's default in classifiers.
BLOCK_EPS, TEXT_EPS, CLASSIFIER_EPS = 1e-6, 1e-12, 1e-5

# Text lengths (CLS and SEP counted) and picture sizes (height, width) of the four examples.
TEXT_LENGTHS = [12, 3, 7, 5]
PICTURE_SIZES = [(32, 32), (16, 32), (32, 24), (40, 32)]


def save(name, tensors):
  """Writes float32 and int64 tensors; the names are sorted so that the file is reproducible."""
  arrays = {}
  for key, value in sorted(tensors.items()):
    array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    kind = np.int64 if array.dtype.kind in "iub" else np.float32
    arrays[key] = np.ascontiguousarray(array, dtype=kind)
  (FOLDER / name).write_bytes(serialise(arrays))


def save_json(name, value):
  (FOLDER / name).write_text(json.dumps(value, indent=1) + "\n")


# MARK: The model


class Reference(nn.Module):
  """The library's ViLT trunk and MLM head, with the heads that it lacks or builds elsewhere."""

  def __init__(self):
    super().__init__()
    config = ViltConfig(
      vocab_size=VOCABULARY, max_position_embeddings=MAX_TEXT, hidden_size=HIDDEN,
      num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=FFN,
      image_size=GRID * PATCH, patch_size=PATCH, modality_type_vocab_size=2, type_vocab_size=2,
      hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, layer_norm_eps=TEXT_EPS,
      max_image_length=-1, attn_implementation="eager",
    )
    self.vilt = ViltModel(config)
    self.mlm_score = ViltMLMHead(config)
    self.itm_score = nn.Linear(HIDDEN, 2)
    self.vqa_classifier = nn.Sequential(
      nn.Linear(HIDDEN, 2 * HIDDEN),
      nn.LayerNorm(2 * HIDDEN, eps=CLASSIFIER_EPS),
      nn.GELU(),
      nn.Linear(2 * HIDDEN, ANSWERS),
    )
    self.rank_output = nn.Linear(HIDDEN, 1)
    for layer in self.vilt.encoder.layer:
      layer.layernorm_before.eps = BLOCK_EPS
      layer.layernorm_after.eps = BLOCK_EPS
    self.vilt.layernorm.eps = BLOCK_EPS
    self.eval()


def library_names():
  """Published name -> the library's name, or its three names where the published one is fused."""
  names = {
    "token_type_embeddings.weight": "vilt.embeddings.token_type_embeddings.weight",
    "transformer.cls_token": "vilt.embeddings.cls_token",
    "transformer.pos_embed": "vilt.embeddings.position_embeddings",
    "mlm_score.decoder.weight": "mlm_score.decoder.weight",
    "mlm_score.bias": "mlm_score.decoder.bias",
  }
  for table in ["word", "position", "token_type"]:
    key = f"text_embeddings.{table}_embeddings.weight"
    names[key] = f"vilt.embeddings.{key}"
  pairs = {
    "text_embeddings.LayerNorm": "vilt.embeddings.text_embeddings.LayerNorm",
    "transformer.patch_embed.proj": "vilt.embeddings.patch_embeddings.projection",
    "transformer.norm": "vilt.layernorm",
    "pooler.dense": "vilt.pooler.dense",
    "mlm_score.transform.dense": "mlm_score.transform.dense",
    "mlm_score.transform.LayerNorm": "mlm_score.transform.LayerNorm",
    "itm_score.fc": "itm_score",
    "vqa_classifier.0": "vqa_classifier.0",
    "vqa_classifier.1": "vqa_classifier.1",
    "vqa_classifier.3": "vqa_classifier.3",
    "rank_output": "rank_output",
  }
  for index in range(LAYERS):
    block, layer = f"transformer.blocks.{index}", f"vilt.encoder.layer.{index}"
    pairs[f"{block}.norm1"] = f"{layer}.layernorm_before"
    pairs[f"{block}.norm2"] = f"{layer}.layernorm_after"
    pairs[f"{block}.attn.proj"] = f"{layer}.attention.output.dense"
    pairs[f"{block}.mlp.fc1"] = f"{layer}.intermediate.dense"
    pairs[f"{block}.mlp.fc2"] = f"{layer}.output.dense"
    for kind in ["weight", "bias"]:
      names[f"{block}.attn.qkv.{kind}"] = [
        f"{layer}.attention.attention.{part}.{kind}" for part in ["query", "key", "value"]
      ]
  for published, library in pairs.items():
    for kind in ["weight", "bias"]:
      names[f"{published}.{kind}"] = f"{library}.{kind}"
  return names


# Spreads (and, for norm weights, centres) chosen so that every mistake shows: the residual stream
# is small, so a wrong epsilon moves the result; nothing is 0 or 1, so a forgotten bias does too.
SCALES = [
  ("text_embeddings.LayerNorm.weight", 0.03, 0.01),
  ("text_embeddings.LayerNorm.bias", 0.0, 0.01),
  ("text_embeddings.", 0.0, 0.01),
  ("token_type_embeddings.weight", 0.0, 0.02),
  ("transformer.cls_token", 0.0, 0.02),
  ("transformer.pos_embed", 0.0, 0.02),
  ("transformer.patch_embed.proj.weight", 0.0, 0.003),
  ("attn.qkv.weight", 0.0, 0.2),
  ("attn.proj.weight", 0.0, 0.006),
  ("attn.proj.bias", 0.0, 0.01),
  ("mlp.fc1.weight", 0.0, 0.25),
  ("mlp.fc2.weight", 0.0, 0.005),
  ("mlp.fc2.bias", 0.0, 0.01),
  ("norm1.weight", 1.0, 0.2),
  ("norm2.weight", 1.0, 0.2),
  ("transformer.norm.weight", 1.0, 0.2),
  ("mlm_score.transform.dense", 0.0, 0.01),
  ("mlm_score.transform.LayerNorm.weight", 1.0, 0.2),
  ("vqa_classifier.0", 0.0, 0.02),
  ("vqa_classifier.1.weight", 1.0, 0.2),
  (".bias", 0.0, 0.1),
  ("", 0.0, 0.2),
]


def make_model(rng):
  """Returns the model in double precision and its weights under their published names."""
  model = Reference().double()
  weights = {}
  with torch.no_grad():
    for published, library in sorted(library_names().items()):
      parts = library if isinstance(library, list) else [library]
      centre, spread = next((c, s) for piece, c, s in SCALES if piece in published)
      values = []
      for part in parts:
        parameter = model.get_parameter(part)
        drawn = centre + spread * rng.standard_normal(tuple(parameter.shape))
        parameter.copy_(torch.from_numpy(drawn.astype(np.float32)).double())
        values.append(parameter.detach().clone())
      weights[published] = torch.cat(values)
  named = {name for value in library_names().values()
           for name in (value if isinstance(value, list) else [value])}
  assert named == {name for name, _ in model.named_parameters()}, "a parameter has no name"
  return model, weights


# MARK: The batch


def make_examples(rng):
  examples = []
  for length, (height, width) in zip(TEXT_LENGTHS, PICTURE_SIZES):
    words = rng.integers(FIRST_WORD, VOCABULARY, size=length - 2)
    ids = np.concatenate([[CLS], words, [SEP]])
    labels = np.full(length, IGNORED)
    for place in rng.permutation(np.arange(1, length - 1))[: max(1, (length - 2) // 3)]:
      labels[place] = ids[place]
      ids[place] = MASK
    pixels = (0.5 * rng.standard_normal((3, height, width))).astype(np.float32)
    examples.append({
      "ids": torch.from_numpy(ids), "mlm_labels": torch.from_numpy(labels),
      "pixels": torch.from_numpy(pixels).double(),
    })
  return examples


def pad(examples):
  """Text is padded on the right, pictures on the right and at the bottom, both with zeros."""
  count = len(examples)
  length = max(len(e["ids"]) for e in examples)
  height = max(e["pixels"].shape[1] for e in examples)
  width = max(e["pixels"].shape[2] for e in examples)
  batch = {
    "input_ids": torch.full((count, length), PAD),
    "attention_mask": torch.zeros(count, length, dtype=torch.long),
    "pixel_values": torch.zeros(count, 3, height, width, dtype=torch.float64),
    "pixel_mask": torch.zeros(count, height, width, dtype=torch.long),
  }
  labels = torch.full((count, length), IGNORED)
  for row, example in enumerate(examples):
    text = len(example["ids"])
    _, h, w = example["pixels"].shape
    batch["input_ids"][row, :text] = example["ids"]
    batch["attention_mask"][row, :text] = 1
    batch["pixel_values"][row, :, :h, :w] = example["pixels"]
    batch["pixel_mask"][row, :h, :w] = 1
    labels[row, :text] = example["mlm_labels"]
  return batch, labels


# MARK: Forward


def encode(model, batch):
  """Runs the trunk and returns, for every example, its rows with patches in raster order.

  The library selects patches in random order and keeps where each one came from in the third
  value of `visual_embed`; that is read here to put them back. Padding is dropped.
  """
  seen = {}
  embeddings = model.vilt.embeddings
  original = embeddings.visual_embed

  def recording(*arguments, **named):
    result = original(*arguments, **named)
    seen["mask"], (seen["index"], _) = result[1], result[2]
    return result

  embeddings.visual_embed = recording
  try:
    dtype = next(model.parameters()).dtype
    batch = dict(batch, pixel_values=batch["pixel_values"].to(dtype))
    output = model.vilt(**batch, output_hidden_states=True)
  finally:
    embeddings.visual_embed = original

  text_length = batch["input_ids"].shape[1]
  rows = []
  for row in range(len(batch["input_ids"])):
    text = int(batch["attention_mask"][row].sum())
    valid = seen["mask"][row, 1:].bool()
    places = seen["index"][row][valid]
    order = torch.argsort(places[:, 0] * 1000 + places[:, 1])
    patches = text_length + 1 + valid.nonzero()[:, 0][order]
    take = torch.cat([torch.arange(text), torch.tensor([text_length]), patches])
    rows.append({
      "embedding": output.hidden_states[0][row, take],
      "blocks": [h[row, take] for h in output.hidden_states[1:]],
      "text": output.last_hidden_state[row, :text],
      "image_class": output.last_hidden_state[row, text_length],
      "patches": output.last_hidden_state[row, patches],
      "pooled": output.pooler_output[row],
    })
  return rows, output


def heads(model, text, pooled):
  return {
    "mlm_logits": [model.mlm_score(rows) for rows in text],
    "itm_logits": model.itm_score(pooled),
    "vqa_logits": model.vqa_classifier(pooled),
    "rank_scores": model.rank_output(pooled)[:, 0],
  }


def losses(outputs, mlm_labels, itm_labels, vqa_targets):
  logits = torch.cat(outputs["mlm_logits"])
  vqa = F.binary_cross_entropy_with_logits(outputs["vqa_logits"], vqa_targets.to(logits.dtype))
  return {
    "mlm": F.cross_entropy(logits, torch.cat(mlm_labels), ignore_index=IGNORED),
    "itm": F.cross_entropy(outputs["itm_logits"], itm_labels),
    "vqa": vqa * ANSWERS,
  }


def gradients(model, loss):
  """The gradient of every parameter the loss reaches, under its published name."""
  model.zero_grad(set_to_none=True)
  loss.backward(retain_graph=True)
  result = {}
  for published, library in library_names().items():
    parts = library if isinstance(library, list) else [library]
    values = [model.get_parameter(part).grad for part in parts]
    if all(value is not None for value in values):
      result[published] = torch.cat(values).clone()
  return result


def difference(left, right):
  return max(float((a.double() - b.double()).detach().abs().max()) for a, b in zip(left, right))


def make_vilt():
  rng = np.random.default_rng(SEED)
  torch.manual_seed(SEED)
  model, weights = make_model(rng)
  examples = make_examples(rng)
  mlm_labels = [e["mlm_labels"] for e in examples]
  itm_labels = torch.tensor([1, 0, 1, 0])
  vqa_targets = torch.zeros(len(examples), ANSWERS, dtype=torch.float64)
  for row, column, value in [(0, 2, 1.0), (0, 7, 0.3), (1, 0, 0.6), (2, 10, 0.9), (2, 1, 0.3),
                             (2, 5, 0.3), (3, 4, 1.0)]:
    vqa_targets[row, column] = value
  vqa_targets = vqa_targets.float().double()

  # The outputs that are stored: one example at a time, without padding.
  alone = [encode(model, pad([example])[0])[0][0] for example in examples]
  pooled = torch.stack([rows["pooled"] for rows in alone])
  outputs = heads(model, [rows["text"] for rows in alone], pooled)
  values = losses(outputs, mlm_labels, itm_labels, vqa_targets)
  total = sum(values.values())
  grads = gradients(model, total)

  # The ranking head in fine-tuning: the four pairs as one group of candidates, the first true.
  rank = F.cross_entropy(outputs["rank_scores"][None], torch.tensor([0]))
  rank_grads = gradients(model, rank)

  # The same as one padded batch: a second way to the same numbers.
  batch, padded_labels = pad(examples)
  rows, padded = encode(model, batch)
  padded_logits = model.mlm_score(padded.last_hidden_state[:, : batch["input_ids"].shape[1]])
  padded_outputs = {
    "mlm_logits": list(padded_logits), "itm_logits": model.itm_score(padded.pooler_output),
    "vqa_logits": model.vqa_classifier(padded.pooler_output),
  }
  padded_values = losses(padded_outputs, list(padded_labels), itm_labels, vqa_targets)
  padded_grads = gradients(model, sum(padded_values.values()))

  flat = lambda r: [r["embedding"], *r["blocks"], r["text"], r["image_class"][None], r["patches"],
                    r["pooled"][None]]
  check = {
    "alone_and_padded_outputs": max(difference(flat(a), flat(b)) for a, b in zip(alone, rows)),
    "alone_and_padded_losses": max(difference([values[k]], [padded_values[k]]) for k in values),
    "alone_and_padded_gradients": max(
      difference([grads[k]], [padded_grads[k]]) for k in grads),
  }
  assert all(value < 1e-12 for value in check.values()), check
  assert set(grads) == set(padded_grads) == {k for k in weights if not k.startswith("rank_")}
  check["smallest_largest_gradient"] = min(float(g.abs().max()) for g in grads.values())

  single = copy.deepcopy(model).float()
  alone32 = [encode(single, pad([e])[0])[0][0] for e in examples]
  pooled32 = torch.stack([rows["pooled"] for rows in alone32])
  outputs32 = heads(single, [rows["text"] for rows in alone32], pooled32)
  values32 = losses(outputs32, mlm_labels, itm_labels, vqa_targets)
  grads32 = gradients(single, sum(values32.values()))
  check["float32_outputs"] = max(difference(flat(a), flat(b)) for a, b in zip(alone, alone32))
  check["float32_mlm_logits"] = difference(outputs["mlm_logits"], outputs32["mlm_logits"])
  check["float32_vqa_logits"] = difference([outputs["vqa_logits"]], [outputs32["vqa_logits"]])
  check["float32_gradients"] = max(difference([grads[k]], [grads32[k]]) for k in grads)
  check["float32_gradients_relative"] = max(
    difference([grads[k]], [grads32[k]]) / float(grads[k].abs().max()) for k in grads)
  check.update(sensitivity(model, examples, alone, outputs))

  batch_tensors = {"itm_labels": itm_labels, "vqa_targets": vqa_targets}
  output_tensors = {key: outputs[key] for key in ["itm_logits", "vqa_logits", "rank_scores"]}
  for index, (example, rows) in enumerate(zip(examples, alone)):
    for key, value in example.items():
      batch_tensors[f"{index}.{key}"] = value
    for key in ["embedding", "text", "image_class", "patches", "pooled"]:
      output_tensors[f"{index}.{key}"] = rows[key]
    output_tensors[f"{index}.mlm_logits"] = outputs["mlm_logits"][index]
  for key in ["rank_output.weight", "rank_output.bias"]:
    output_tensors[f"rank_gradient.{key}"] = rank_grads[key]
  weights["text_embeddings.position_ids"] = torch.arange(MAX_TEXT)[None]
  save("weights.safetensors", weights)
  save("batch.safetensors", batch_tensors)
  save("outputs.safetensors", output_tensors)
  save("gradients.safetensors", grads)
  save_json("vilt.json", {
    "config": {
      "hidden": HIDDEN, "layers": LAYERS, "heads": HEADS, "ffn": FFN, "vocabulary": VOCABULARY,
      "max_text": MAX_TEXT, "patch": PATCH, "grid": [GRID, GRID], "text_types": 2,
      "modality_types": 2, "answers": ANSWERS, "block_eps": BLOCK_EPS, "text_eps": TEXT_EPS,
      "mlm_eps": TEXT_EPS, "classifier_eps": CLASSIFIER_EPS,
      "pad": PAD, "cls": CLS, "sep": SEP, "mask": MASK, "ignored_label": IGNORED,
    },
    "examples": [
      {"text_length": length, "height": h, "width": w, "grid": [h // PATCH, w // PATCH]}
      for length, (h, w) in zip(TEXT_LENGTHS, PICTURE_SIZES)
    ],
    "losses": {key: round(value.item(), 12) for key, value in
               {**values, "total": total, "rank": rank}.items()},
    "parameter_count": sum(p.numel() for p in model.parameters()),
    "checks": {key: float(f"{value:.1e}") for key, value in check.items()},
  })
  for key, value in check.items():
    print(f"vilt {key}: {value:.3e}")
  for key, value in {**values, "rank": rank}.items():
    print(f"vilt loss {key}: {value.item():.6f}")


def sensitivity(model, examples, alone, outputs):
  """How far the outputs move under the usual mistakes: a tolerance must stay well below these."""

  def largest_change(edit, head="hidden"):
    changed = copy.deepcopy(model)
    edit(changed)
    with torch.no_grad():
      rows = [encode(changed, pad([e])[0])[0][0] for e in examples]
      if head == "hidden":
        keys = ["text", "patches", "pooled"]
        return difference([r[k] for r in alone for k in keys], [r[k] for r in rows for k in keys])
      result = heads(changed, [r["text"] for r in rows], torch.stack([r["pooled"] for r in rows]))
      as_list = lambda value: value if isinstance(value, list) else [value]
      return difference(as_list(outputs[head]), as_list(result[head]))

  def epsilon(find, value):
    def edit(changed):
      for module in find(changed):
        module.eps = value
    return edit

  def tanh_gelu(changed):
    for layer in changed.vilt.encoder.layer:
      layer.intermediate.intermediate_act_fn = nn.GELU(approximate="tanh")

  def shifted_types(changed):
    table = changed.vilt.embeddings.text_embeddings.token_type_embeddings.weight
    table.data = table.data.flip(0)

  layers = lambda m: m.vilt.encoder.layer
  return {
    "moved_by_text_eps_1e-6": largest_change(
      epsilon(lambda m: [m.vilt.embeddings.text_embeddings.LayerNorm], 1e-6)),
    "moved_by_norm1_eps_1e-12": largest_change(
      epsilon(lambda m: [l.layernorm_before for l in layers(m)], 1e-12)),
    "moved_by_norm2_eps_1e-12": largest_change(
      epsilon(lambda m: [l.layernorm_after for l in layers(m)], 1e-12)),
    "moved_by_final_norm_eps_1e-12": largest_change(
      epsilon(lambda m: [m.vilt.layernorm], 1e-12)),
    "moved_by_mlm_eps_1e-6": largest_change(
      epsilon(lambda m: [m.mlm_score.transform.LayerNorm], 1e-6), "mlm_logits"),
    "moved_by_vqa_eps_1e-6": largest_change(
      epsilon(lambda m: [m.vqa_classifier[1]], 1e-6), "vqa_logits"),
    "moved_by_tanh_gelu_in_blocks": largest_change(tanh_gelu),
    "moved_by_text_type_row_1": largest_change(shifted_types),
  }


# MARK: Optimal transport


def transport_plan(cost, text_pad, image_pad, beta, iterations, kind=np.float64):
  """The plan [B, N, M] of Xie et al.'s IPOT as ViLT and UNITER run it, in plain numpy.

  cost [B, M, N]; pads are true at padding. One inner iteration: delta, then sigma.
  """
  plans = []
  for c, px, py in zip(cost, text_pad, image_pad):
    joint = py[:, None] | px[None, :]
    x_length, y_length = kind(np.sum(~px)), kind(np.sum(~py))
    sigma = np.where(px, 0.0, 1.0 / x_length).astype(kind)
    plan = np.where(joint, 0.0, 1.0).astype(kind)
    kernel = np.where(joint, 0.0, np.exp(-c.T / beta)).astype(kind)
    for _ in range(iterations):
      q = kernel * plan
      delta = 1.0 / (y_length * (q @ sigma) + kind(1e4) * py)
      sigma = 1.0 / (x_length * (delta @ q) + kind(1e4) * px)
      plan = delta[:, None] * q * sigma[None, :]
    plans.append(np.where(joint, 0.0, plan))
  return np.stack(plans)


def cosine_cost(x, y, text_pad, image_pad):
  cost = 1.0 - F.normalize(x, dim=-1, eps=1e-5) @ F.normalize(y, dim=-1, eps=1e-5).mT
  return cost.masked_fill(text_pad[:, :, None] | image_pad[:, None, :], 0.0)


def make_transport():
  rng = np.random.default_rng(SEED + 1)
  count, text, image, width = 4, 7, 9, 8
  beta, iterations = 0.5, 50
  tensors, report = {}, {"beta": beta, "iterations": iterations, "inner_iterations": 1}

  def add(case, text_pad, image_pad, labels, zero_pads):
    x = rng.standard_normal((count, text, width)).astype(np.float32)
    y = rng.standard_normal((count, image, width)).astype(np.float32)
    # Some words are near some regions, so that the plan is far from uniform.
    for row in range(count):
      for place in range(0, text, 2):
        y[row, place + 1] += 2 * x[row, place]
    if zero_pads:
      x[text_pad], y[image_pad] = 0, 0
    px, py = torch.from_numpy(text_pad), torch.from_numpy(image_pad)
    tx = torch.from_numpy(x).double().requires_grad_()
    ty = torch.from_numpy(y).double().requires_grad_()
    cost = cosine_cost(tx, ty, px, py)
    plan = transport_plan(cost.detach().numpy(), text_pad, image_pad, beta, iterations)
    distance = (cost.mT * torch.from_numpy(plan)).sum((1, 2))
    traced = torch.diagonal(cost @ torch.from_numpy(plan), dim1=1, dim2=2).sum(1)
    assert torch.allclose(distance, traced, atol=1e-14)
    matched = torch.from_numpy(labels) == 1
    loss = (distance[matched].sum() - distance[~matched].sum()) / count
    loss.backward()
    assert not tx.grad[px].any() and not ty.grad[py].any(), "padding got a gradient"
    assert torch.isfinite(tx.grad).all() and torch.isfinite(ty.grad).all()

    single = transport_plan(cost.detach().float().numpy(), text_pad, image_pad, np.float32(beta),
                            iterations, np.float32)
    single_error = np.abs(plan - single).max()
    text_share = np.where(text_pad, 0, 1 / (~text_pad).sum(1)[:, None])
    image_share = np.where(image_pad, 0, 1 / (~image_pad).sum(1)[:, None])
    text_error = np.abs(plan.sum(1) - text_share).max()
    image_error = np.abs(plan.sum(2) - image_share).max()
    print(f"transport {case}: text marginal error {text_error:.2e}, image marginal error "
          f"{image_error:.2e}, float32 plan error {single_error:.2e}, loss {loss.item():.6f}")
    report[case] = {
      "loss": round(loss.item(), 12), "distances": [round(d, 12) for d in distance.tolist()],
      "image_marginal_error": float(f"{image_error:.1e}"),
    }
    for key, value in {
      "x": tx, "y": ty, "text_pad": px, "image_pad": py, "labels": torch.from_numpy(labels),
      "cost": cost, "plan": plan, "distance": distance, "grad_x": tx.grad, "grad_y": ty.grad,
    }.items():
      tensors[f"{case}.{key}"] = value
    return cost.detach().numpy()

  # ViLT: the text [CLS], its last valid token ([SEP]) and the image [CLS] take no part.
  text_lengths, image_lengths = np.array([7, 3, 6, 4]), np.array([9, 5, 7, 9])
  text_mask = np.arange(text)[None] < text_lengths[:, None]
  image_mask = np.arange(image)[None] < image_lengths[:, None]
  text_pad, image_pad = ~text_mask, ~image_mask
  text_pad[np.arange(count), text_lengths - 1] = True
  text_pad[:, 0] = True
  image_pad[:, 0] = True
  cost = add("vilt", text_pad, image_pad, np.array([1, 0, 1, 1]), zero_pads=False)
  tensors["vilt.text_mask"], tensors["vilt.image_mask"] = text_mask, image_mask

  # The demonstration's setting for pictures: a sharper plan from the same costs.
  tensors["vilt.sharp_plan"] = transport_plan(cost, text_pad, image_pad, 0.1, 1000)
  report["sharp"] = {"beta": 0.1, "iterations": 1000}

  # Pads in any place, holding zero vectors, whose gradient must be 0 and not NaN.
  text_pad = rng.random((count, text)) < 0.3
  image_pad = rng.random((count, image)) < 0.3
  add("scattered", text_pad, image_pad, np.array([0, 1, 0, 0]), zero_pads=True)

  save("transport.safetensors", tensors)
  save_json("transport.json", report)


if __name__ == "__main__":
  torch.set_num_threads(1)
  FOLDER.mkdir(parents=True, exist_ok=True)
  make_vilt()
  make_transport()
  size = sum(path.stat().st_size for path in FOLDER.iterdir())
  print(f"vilt fixtures: {size} bytes")
