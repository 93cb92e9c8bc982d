"""Makes the LXMERT, VisualBERT and CLIP fixtures: tiny random models run by the reference library.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, safetensors 0.8.0,
numpy 2.4.6.

    python Tests/Fixtures/make_transformers_models.py

Writes {lxmert,visualbert,clip}/*.safetensors and *.json beside this script. Every number is
computed in double precision from inputs that float32 holds exactly, and rounded to float32 when it
is stored. The library runs one padded batch with its masks; the valid rows are stored, and the same
examples run one at a time must agree with them. LXMERT and CLIP weights have the names of the
published checkpoints, VisualBERT's those of the library.
"""

import copy
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save as serialise
from torch import nn
from transformers import (
  CLIPConfig, CLIPModel, LxmertConfig, LxmertForPreTraining, LxmertForQuestionAnswering,
  VisualBertConfig, VisualBertForPreTraining,
)

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


# MARK: LXMERT


def lxmert_config():
  return LxmertConfig(
    vocab_size=VOCABULARY, hidden_size=LXMERT_WIDTH, num_attention_heads=HEADS,
    num_qa_labels=ANSWERS, num_object_labels=OBJECTS, num_attr_labels=ATTRIBUTES,
    intermediate_size=LXMERT_FFN, max_position_embeddings=MAX_TEXT, type_vocab_size=TYPES,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, l_layers=LANGUAGE_LAYERS,
    x_layers=CROSS_LAYERS, r_layers=VISUAL_LAYERS, visual_feat_dim=FEATURE, visual_pos_dim=BOX,
    visual_loss_normalizer=1 / 0.15,
  )


def lxmert_names(model):
  """The published name differs in its first word only; the tied decoder is in the file once."""
  return {
    name.replace("lxmert.", "bert.", 1) if name.startswith("lxmert.") else name: ([name], False)
    for name, _ in model.named_parameters()
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


def make_lxmert_examples(rng):
  examples = []
  for length, regions, hidden in zip(TEXT_LENGTHS, REGIONS, HIDDEN):
    ids, labels = make_text(rng, length)
    corner = uniform(rng, (regions, 2), 0.0, 0.6)
    boxes = torch.cat([corner, (corner + uniform(rng, (regions, 2), 0.1, 0.4)).float().double()], 1)
    flags = torch.zeros(regions, dtype=torch.long)
    flags[hidden] = 1
    examples.append({
      "ids": ids, "mlm_labels": labels, "features": draw(rng, (regions, FEATURE), 1.5),
      "boxes": boxes, "hidden": flags,
      "object": torch.from_numpy(rng.integers(0, OBJECTS, size=regions)),
      "object_confidence": uniform(rng, regions, 0.2, 1.0),
      "attribute": torch.from_numpy(rng.integers(0, ATTRIBUTES, size=regions)),
      "attribute_confidence": uniform(rng, regions, 0.1, 0.9),
    })
  return examples


def lxmert_inputs(examples, rng, hide=True):
  """A padded batch; rows of padding hold noise, which the masks must keep out."""
  noise = lambda shape: draw(rng, shape, 1.0)
  text, regions = [len(e["ids"]) for e in examples], [len(e["boxes"]) for e in examples]
  shown = [e["features"] * (1 - e["hidden"])[:, None] if hide else e["features"] for e in examples]
  return {
    "input_ids": padded_rows([e["ids"] for e in examples], PAD, max(text)),
    "attention_mask": masks(text),
    "visual_feats": padded_rows(shown, noise, max(regions)),
    "visual_pos": padded_rows([e["boxes"] for e in examples], noise, max(regions)),
    "visual_attention_mask": masks(regions),
  }


def run_lxmert(model, inputs, places=range(COUNT)):
  """Outputs under "i.name" for the examples of the batch, which have these places."""
  dtype = next(model.parameters()).dtype
  inputs = {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}
  seen = {}

  def keep(name):
    return lambda module, given, result: seen.update({name: result})

  trunk = model.lxmert
  hooks = [trunk.embeddings.register_forward_hook(keep("text_embedding")),
           trunk.encoder.visn_fc.register_forward_hook(keep("visual_embedding")),
           trunk.register_forward_hook(keep("trunk"))]
  try:
    result = model(**inputs)
  finally:
    for hook in hooks:
      hook.remove()
  visual = model.obj_predict_head(seen["trunk"].vision_output)
  text_rows = {
    "text_embedding": seen["text_embedding"], "text": seen["trunk"].language_output,
    "mlm_logits": result.prediction_logits,
  }
  visual_rows = {
    "visual_embedding": seen["visual_embedding"], "visual": seen["trunk"].vision_output,
    "object_logits": visual["obj"], "attribute_logits": visual["attr"], "feature": visual["feat"],
  }
  whole = {
    "pooled": seen["trunk"].pooled_output, "match_logits": result.cross_relationship_score,
    "answer_logits": result.question_answering_score,
  }
  outputs = {}
  for row, place in enumerate(places):
    text = int(inputs["attention_mask"][row].sum())
    regions = int(inputs["visual_attention_mask"][row].sum())
    outputs.update({f"{place}.{k}": v[row, :text] for k, v in text_rows.items()})
    outputs.update({f"{place}.{k}": v[row, :regions] for k, v in visual_rows.items()})
    outputs.update({f"{place}.{k}": v[row] for k, v in whole.items()})
  return outputs


def gather(outputs, key):
  return [outputs[f"{i}.{key}"] for i in range(COUNT)]


def lxmert_losses(outputs, examples):
  """The five losses as the published code defines them, and other readings of three of them."""
  dtype = outputs["0.pooled"].dtype
  column = lambda key: torch.cat([e[key] for e in examples])
  number = lambda key: column(key).to(dtype)
  regions = sum(REGIONS)
  hidden = column("hidden").to(dtype)

  def class_losses(key):
    logits = torch.cat(gather(outputs, f"{key}_logits"))
    return F.cross_entropy(logits, column(key), reduction="none")

  predicted, features = torch.cat(gather(outputs, "feature")), number("features")
  smooth = F.smooth_l1_loss(predicted, features, reduction="none").mean(1)
  squared = ((predicted - features) ** 2).mean(1)
  classes = {key: class_losses(key) for key in ["object", "attribute"]}
  losses = {
    "mlm": mean_loss(gather(outputs, "mlm_logits"), [e["mlm_labels"] for e in examples]),
    "match": F.cross_entropy(torch.stack(gather(outputs, "match_logits")), torch.tensor(MATCH)),
    "answer": F.cross_entropy(
      torch.stack(gather(outputs, "answer_logits")), torch.tensor(ANSWER), ignore_index=IGNORED),
    "object": (classes["object"] * number("object_confidence")).sum() / regions / 0.15,
    "attribute": (classes["attribute"] * number("attribute_confidence")).sum() / regions / 0.15,
    "feature": (smooth * hidden).sum() / regions / 0.15,
  }
  other = {
    "object_hidden_mean": (classes["object"] * hidden).sum() / hidden.sum(),
    "attribute_hidden_mean": (classes["attribute"] * hidden).sum() / hidden.sum(),
    "feature_hidden_mean": (smooth * hidden).sum() / hidden.sum(),
    "feature_hidden_l2": (squared * hidden).sum() / hidden.sum(),
  }
  return losses, other


def library_lxmert_loss(model, inputs, examples):
  """The library's own total. It divides by padding too, so the confidences are scaled up."""
  longest, regions = max(TEXT_LENGTHS), max(REGIONS)
  scale = COUNT * regions / sum(REGIONS)
  rows = lambda key, fill=0: padded_rows([e[key] for e in examples], fill, regions)
  return model(
    **inputs, labels=padded_rows([e["mlm_labels"] for e in examples], IGNORED, longest),
    matched_label=torch.tensor(MATCH), ans=torch.tensor(ANSWER),
    obj_labels={
      "obj": (rows("object"), rows("object_confidence") * scale),
      "attr": (rows("attribute"), rows("attribute_confidence") * scale),
      "feat": (rows("features"), rows("hidden").double() * scale),
    },
  ).loss


def sequential_cross(first):
  """The mistake of giving the second direction the updated states of the first."""

  def edit(changed):
    for layer in changed.lxmert.encoder.x_layers:
      def cross(lang_input, lang_attention_mask, visual_input, visual_attention_mask,
                output_x_attentions=False, attend=layer.visual_attention):
        if first == "text":
          text = attend(lang_input, visual_input, ctx_att_mask=visual_attention_mask)
          return text, attend(visual_input, text[0], ctx_att_mask=lang_attention_mask)
        visual = attend(visual_input, lang_input, ctx_att_mask=lang_attention_mask)
        return attend(lang_input, visual[0], ctx_att_mask=visual_attention_mask), visual
      layer.cross_att = cross

  return edit


def double_visual_embedding(changed):
  """The sum of the two halves in place of their average."""
  changed.lxmert.encoder.visn_fc.dropout = Doubled()


class Doubled(nn.Module):
  def forward(self, value):
    return 2 * value


def make_lxmert():
  rng = np.random.default_rng(SEED)
  torch.manual_seed(SEED)
  model = LxmertForPreTraining(lxmert_config()).double().eval()
  names = lxmert_names(model)
  weights = draw_weights(model, names, BERT_SCALES, rng)
  assert model.cls.predictions.decoder.weight is model.lxmert.embeddings.word_embeddings.weight
  examples = make_lxmert_examples(rng)
  inputs = lxmert_inputs(examples, rng)

  run = lambda m: run_lxmert(m, inputs)
  total = lambda outputs: sum(lxmert_losses(outputs, examples)[0].values())
  padded = run(model)
  alone = {}
  for place, example in enumerate(examples):
    alone.update(run_lxmert(model, lxmert_inputs([example], rng), [place]))
  losses, other = lxmert_losses(padded, examples)
  grads, check = all_checks(
    model, names, alone, padded, run, total(alone), total(padded), total)
  check["library_total"] = abs(
    (library_lxmert_loss(model, inputs, examples) - total(padded)).item())
  assert check["library_total"] < 1e-5, check

  # Row 0 of the three text tables is a padding row to the library, as to the published code.
  tables = ["word", "position", "token_type"]
  key = lambda table: f"bert.embeddings.{table}_embeddings.weight"
  padding = {table: bool(grads[key(table)][0].any()) for table in tables}
  assert all(getattr(model.lxmert.embeddings, f"{t}_embeddings").padding_idx == 0 for t in tables)
  free = copy.deepcopy(model)
  for table in tables:
    getattr(free.lxmert.embeddings, f"{table}_embeddings").padding_idx = None
  free_grads = gradients(free, names, total(run(free)))
  for name in names:
    same = torch.equal(free_grads[name], grads[name])
    assert same == (name not in [key("position"), key("token_type")]), name

  # Fine-tuning's model: the same trunk and answer head.
  answering = LxmertForQuestionAnswering(lxmert_config()).double().eval()
  answering.load_state_dict(
    {k: v for k, v in model.state_dict().items() if k.startswith(("lxmert.", "answer_head."))})
  vqa = answering(**inputs).question_answering_score
  assert difference(list(vqa), gather(padded, "answer_logits")) < 1e-12
  shown = answering(**lxmert_inputs(examples, rng, hide=False)).question_answering_score

  heads = ["mlm_logits", "match_logits", "answer_logits", "object_logits", "attribute_logits",
           "feature"]
  trunk = ["text", "visual", "pooled"]
  wrong = lambda name, edit, keys: variant(model, edit, run, padded, name, keys)
  activation = nn.GELU(approximate="tanh")

  def tanh_answer(changed):
    changed.answer_head.logit_fc[1] = activation

  wrongs = {
    "all_eps_1e-5": wrong("all eps", with_epsilon("", 1e-5), trunk + heads),
    "text_embedding_eps_1e-5": wrong(
      "text eps", with_epsilon("lxmert.embeddings.", 1e-5),
      ["text_embedding", "text", "pooled"]),
    "feature_norm_eps_1e-5": wrong(
      "feature eps", with_epsilon("visn_layer_norm", 1e-5), ["visual_embedding", *trunk]),
    "box_norm_eps_1e-5": wrong(
      "box eps", with_epsilon("box_layer_norm", 1e-5), ["visual_embedding", *trunk]),
    "layer_eps_1e-5": wrong(
      "layer eps", with_epsilon(["encoder.layer.", "r_layers.", "x_layers."], 1e-5), trunk),
    "mlm_head_eps_1e-5": wrong(
      "mlm eps", with_epsilon("cls.predictions", 1e-5), ["mlm_logits"]),
    "object_head_eps_1e-5": wrong(
      "object eps", with_epsilon("obj_predict_head", 1e-5), heads[3:]),
    "answer_head_eps_1e-5": wrong(
      "answer eps", with_epsilon("answer_head", 1e-5), ["answer_logits"]),
    "tanh_gelu_in_layers": wrong(
      "tanh", with_activation("intermediate_act_fn", activation), trunk),
    "tanh_gelu_in_mlm_head": wrong(
      "tanh mlm", with_activation("transform_act_fn", activation, "cls."), ["mlm_logits"]),
    "tanh_gelu_in_object_head": wrong(
      "tanh object", with_activation("transform_act_fn", activation, "obj_"), heads[3:]),
    "tanh_gelu_in_answer_head": wrong("tanh answer", tanh_answer, ["answer_logits"]),
    "sum_of_visual_and_box": wrong(
      "sum", double_visual_embedding, ["visual_embedding", *trunk]),
    "cross_layer_reads_updated_text": wrong("text first", sequential_cross("text"), trunk),
    "cross_layer_reads_updated_visual": wrong("visual first", sequential_cross("visual"), trunk),
    "features_not_hidden": check_moved(
      "not hidden", moved(padded, run_lxmert(model, lxmert_inputs(examples, rng, False))), trunk),
  }

  batch = {"match": np.array(MATCH), "answer": np.array(ANSWER)}
  outputs = dict(padded)
  for place, example in enumerate(examples):
    batch.update({f"{place}.{k}": v for k, v in example.items()})
    outputs[f"{place}.vqa_logits"] = vqa[place]
    outputs[f"{place}.vqa_logits_all_shown"] = shown[place]
  for table in ["position", "token_type"]:
    outputs[f"gradient_without_padding_row.{key(table)}"] = free_grads[key(table)]
  save("lxmert", "weights.safetensors", weights)
  save("lxmert", "batch.safetensors", batch)
  save("lxmert", "outputs.safetensors", outputs)
  save("lxmert", "gradients.safetensors", grads)
  library_normaliser = sum(losses[k] for k in ["object", "attribute", "feature"]) * 0.15 * 6.67
  save_json("lxmert", "lxmert.json", {
    "config": {
      "hidden": LXMERT_WIDTH, "heads": HEADS, "ffn": LXMERT_FFN,
      "language_layers": LANGUAGE_LAYERS, "visual_layers": VISUAL_LAYERS,
      "cross_layers": CROSS_LAYERS, "vocabulary": VOCABULARY, "max_text": MAX_TEXT,
      "text_types": TYPES, "feature": FEATURE, "box": BOX, "objects": OBJECTS,
      "attributes": ATTRIBUTES, "answers": ANSWERS, "eps": BERT_EPS, "visual_loss_weight": 1 / 0.15,
      "pad": PAD, "cls": CLS, "sep": SEP, "mask": MASK, "ignored_label": IGNORED,
    },
    "counts": {
      "examples": COUNT, "text_lengths": TEXT_LENGTHS, "regions": REGIONS,
      "hidden": [len(places) for places in HIDDEN],
      "labelled_tokens": int(sum((e["mlm_labels"] != IGNORED).sum() for e in examples)),
      "all_regions": sum(REGIONS), "hidden_regions": sum(map(len, HIDDEN)),
      "answered": sum(a != IGNORED for a in ANSWER),
    },
    "losses": rounded({**losses, "total": total(padded)}),
    "other_losses": rounded({
      **other, "total_with_library_default_normaliser":
      sum(losses[k] for k in ["mlm", "match", "answer"]) + library_normaliser,
    }),
    "parameter_counts": parameter_counts(weights, "bert."),
    "padding_rows_get_gradient": {
      **padding,
      "note": "the lookups give row 0 none; the word table's comes from the tied decoder alone",
    },
    "checks": short(check),
    "moved_by": wrongs,
  })
  report("lxmert", losses, other, check, wrongs)


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


# MARK: VisualBERT


def make_visualbert_examples(rng):
  examples = []
  for length, regions in zip(TEXT_LENGTHS, REGIONS):
    ids, labels = make_text(rng, length)
    examples.append({
      "ids": ids, "mlm_labels": labels, "features": draw(rng, (regions, FEATURE), 1.0)})
  return examples


# The words of each region of example 0, -1 for none; region 3 has none at all.
ALIGNMENT = [[1, 2, -1], [5, -1, -1], [2, 3, 4], [-1, -1, -1], [4, 0, -1]]


def visualbert_inputs(examples, rng, kind, alignment=None):
  text, regions = [len(e["ids"]) for e in examples], [len(e["features"]) for e in examples]
  inputs = {
    "input_ids": padded_rows([e["ids"] for e in examples], PAD, max(text)),
    "attention_mask": masks(text),
    "visual_embeds": padded_rows(
      [e["features"] for e in examples], lambda s: draw(rng, s, 1.0), max(regions)),
    "visual_attention_mask": masks(regions),
    "visual_token_type_ids": torch.full((len(examples), max(regions)), kind),
  }
  if alignment is not None:
    inputs["image_text_alignment"] = torch.tensor(alignment)[None]
  return inputs


def run_visualbert(model, inputs, places=range(COUNT)):
  dtype = next(model.parameters()).dtype
  inputs = {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}
  seen = {}

  def keep(name):
    return lambda module, given, result: seen.update({name: result})

  hooks = [model.visual_bert.embeddings.register_forward_hook(keep("embedding")),
           model.visual_bert.register_forward_hook(keep("trunk"))]
  try:
    result = model(**inputs)
  finally:
    for hook in hooks:
      hook.remove()
  longest = inputs["input_ids"].shape[1]
  states = seen["trunk"].last_hidden_state
  outputs = {}
  for row, place in enumerate(places):
    text = int(inputs["attention_mask"][row].sum())
    visual = slice(longest, longest + int(inputs["visual_attention_mask"][row].sum()))
    outputs.update({
      f"{place}.text_embedding": seen["embedding"][row, :text],
      f"{place}.visual_embedding": seen["embedding"][row, visual],
      f"{place}.text": states[row, :text],
      f"{place}.visual": states[row, visual],
      f"{place}.pooled": seen["trunk"].pooler_output[row],
      f"{place}.mlm_logits": result.prediction_logits[row, :text],
      f"{place}.match_logits": result.seq_relationship_logits[row],
    })
  return outputs


def visualbert_losses(outputs, examples, match=MATCH):
  return {
    "mlm": mean_loss(gather(outputs, "mlm_logits"), [e["mlm_labels"] for e in examples]),
    "match": F.cross_entropy(torch.stack(gather(outputs, "match_logits")), torch.tensor(match)),
  }


def make_visualbert():
  rng = np.random.default_rng(SEED + 1)
  torch.manual_seed(SEED)
  model = VisualBertForPreTraining(VisualBertConfig(
    vocab_size=VOCABULARY, hidden_size=VISUALBERT_WIDTH, visual_embedding_dim=FEATURE,
    num_hidden_layers=VISUALBERT_LAYERS, num_attention_heads=HEADS,
    intermediate_size=VISUALBERT_FFN, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    max_position_embeddings=MAX_TEXT, type_vocab_size=TYPES, layer_norm_eps=BERT_EPS,
    pad_token_id=PAD, attn_implementation="eager",
  )).double().eval()
  names = {name: ([name], False) for name, _ in model.named_parameters()}
  weights = draw_weights(model, names, BERT_SCALES, rng)
  predictions = model.cls.predictions
  assert predictions.decoder.weight is model.visual_bert.embeddings.word_embeddings.weight
  assert predictions.decoder.bias is predictions.bias
  examples = make_visualbert_examples(rng)
  inputs = visualbert_inputs(examples, rng, 1)
  inputs0 = visualbert_inputs(examples, rng, 0)

  run = lambda m: run_visualbert(m, inputs)
  total = lambda outputs: sum(visualbert_losses(outputs, examples).values())
  padded, padded0, alone, alone0 = run(model), run_visualbert(model, inputs0), {}, {}
  for place, example in enumerate(examples):
    alone.update(run_visualbert(model, visualbert_inputs([example], rng, 1), [place]))
    alone0.update(run_visualbert(model, visualbert_inputs([example], rng, 0), [place]))
  losses = visualbert_losses(padded, examples)
  grads, check = all_checks(
    model, names, alone, padded, run, total(alone), total(padded), total)
  check["alone_and_padded_outputs_type0"] = difference(
    *zip(*[(alone0[k], padded0[k]) for k in padded0]))
  assert check["alone_and_padded_outputs_type0"] < 1e-12
  longest = max(TEXT_LENGTHS) + max(REGIONS)
  library = model(
    **inputs, labels=padded_rows([e["mlm_labels"] for e in examples], IGNORED, longest),
    sentence_image_labels=torch.tensor(MATCH)).loss
  check["library_total"] = abs((library - total(padded)).item())
  assert check["library_total"] < 1e-12, check

  aligned_inputs = visualbert_inputs(examples[:1], rng, 1, ALIGNMENT)
  aligned = run_visualbert(model, aligned_inputs, [0])
  inverse = [1 - m for m in MATCH]
  other = {
    "match_with_class_0_for_a_match": visualbert_losses(padded, examples, inverse)["match"],
    **{f"type0_{k}": v for k, v in visualbert_losses(padded0, examples).items()},
    "type0_total": total(padded0),
  }

  trunk = ["text", "visual", "pooled"]
  heads = ["mlm_logits", "match_logits"]
  wrong = lambda name, edit, keys: variant(model, edit, run, padded, name, keys)
  activation = nn.GELU(approximate="tanh")
  rows = ["visual_embedding", *trunk]

  def zero_visual_position(changed):
    changed.visual_bert.embeddings.visual_position_embeddings.weight.data.zero_()

  def text_tables(changed):
    embeddings = changed.visual_bert.embeddings
    embeddings.visual_position_embeddings.weight.data.copy_(embeddings.position_embeddings.weight)
    embeddings.visual_token_type_embeddings.weight.data.copy_(
      embeddings.token_type_embeddings.weight)

  def visual_table_for_words(changed):
    embeddings = changed.visual_bert.embeddings
    own = embeddings.visual_position_embeddings.weight.data[:1] * 1.0
    embeddings.position_embeddings.weight.data[:] = embeddings.visual_position_embeddings.weight
    embeddings.visual_position_embeddings.weight.data[:1] = own

  narrow = [[row[0]] for row in ALIGNMENT]
  first = run_visualbert(model, visualbert_inputs(examples[:1], rng, 1, narrow), [0])
  only0 = {k: v for k, v in alone.items() if k.startswith("0.")}
  with torch.no_grad():
    changed = copy.deepcopy(model)
    visual_table_for_words(changed)
    own_table = run_visualbert(changed, aligned_inputs, [0])
    changed = copy.deepcopy(model)
    zero_visual_position(changed)
    no_row = run_visualbert(changed, aligned_inputs, [0])
  wrongs = {
    "all_eps_1e-5": wrong("all eps", with_epsilon("", 1e-5), rows + heads),
    "embedding_eps_1e-5": wrong(
      "embedding eps", with_epsilon("embeddings.", 1e-5), ["text_embedding", *rows]),
    "layer_eps_1e-5": wrong("layer eps", with_epsilon("encoder.layer.", 1e-5), trunk),
    "mlm_head_eps_1e-5": wrong("mlm eps", with_epsilon("cls.predictions", 1e-5), ["mlm_logits"]),
    "tanh_gelu_in_layers": wrong(
      "tanh", with_activation("intermediate_act_fn", activation), trunk),
    "tanh_gelu_in_mlm_head": wrong(
      "tanh mlm", with_activation("transform_act_fn", activation), ["mlm_logits"]),
    "visual_type_0": check_moved("type", moved(padded, padded0), rows),
    "no_visual_position_row": wrong("position", zero_visual_position, rows),
    "text_tables_for_visual_rows": wrong("tables", text_tables, rows),
    "aligned.no_alignment": check_moved("alignment", moved(aligned, only0), rows),
    "aligned.first_word_only": check_moved("first", moved(aligned, first), rows),
    "aligned.visual_table_for_words": check_moved(
      "own table", moved(aligned, own_table), ["visual_embedding"]),
    "aligned.no_visual_position_row": check_moved("no row", moved(aligned, no_row), rows),
  }

  batch = {"match": np.array(MATCH), "alignment.0": np.array(ALIGNMENT)}
  for place, example in enumerate(examples):
    batch.update({f"{place}.{k}": v for k, v in example.items()})
  save("visualbert", "weights.safetensors", weights)
  save("visualbert", "batch.safetensors", batch)
  save("visualbert", "outputs.safetensors", {
    **padded, **{f"type0.{k}": v for k, v in padded0.items()},
    **{f"aligned.{k}": v for k, v in aligned.items()},
  })
  save("visualbert", "gradients.safetensors", grads)
  save_json("visualbert", "visualbert.json", {
    "config": {
      "hidden": VISUALBERT_WIDTH, "heads": HEADS, "ffn": VISUALBERT_FFN,
      "layers": VISUALBERT_LAYERS, "vocabulary": VOCABULARY, "max_text": MAX_TEXT,
      "text_types": TYPES, "visual_types": TYPES, "visual_positions": MAX_TEXT,
      "feature": FEATURE, "eps": BERT_EPS, "visual_type": 1,
      "pad": PAD, "cls": CLS, "sep": SEP, "mask": MASK, "ignored_label": IGNORED,
    },
    "counts": {
      "examples": COUNT, "text_lengths": TEXT_LENGTHS, "regions": REGIONS,
      "labelled_tokens": int(sum((e["mlm_labels"] != IGNORED).sum() for e in examples)),
    },
    "losses": rounded({**losses, "total": total(padded)}),
    "other_losses": rounded(other),
    "parameter_counts": parameter_counts(weights, "visual_bert."),
    "checks": short(check),
    "moved_by": wrongs,
  })
  report("visualbert", losses, other, check, wrongs)


# MARK: CLIP


def clip_names():
  """Published name -> (the library's name or names, whether it is stored transposed)."""
  names = {
    "logit_scale": (["logit_scale"], False),
    "text_projection": (["text_projection.weight"], True),
    "visual.proj": (["visual_projection.weight"], True),
    "token_embedding.weight": (["text_model.embeddings.token_embedding.weight"], False),
    "positional_embedding": (["text_model.embeddings.position_embedding.weight"], False),
    "visual.class_embedding": (["vision_model.embeddings.class_embedding"], False),
    "visual.conv1.weight": (["vision_model.embeddings.patch_embedding.weight"], False),
    "visual.positional_embedding": (["vision_model.embeddings.position_embedding.weight"], False),
  }
  pairs = {
    "ln_final": "text_model.final_layer_norm", "visual.ln_pre": "vision_model.pre_layrnorm",
    "visual.ln_post": "vision_model.post_layernorm",
  }
  towers = [("transformer", "text_model", CLIP_TEXT_LAYERS),
            ("visual.transformer", "vision_model", CLIP_VISION_LAYERS)]
  for published, library, layers in towers:
    for index in range(layers):
      block, layer = f"{published}.resblocks.{index}", f"{library}.encoder.layers.{index}"
      pairs.update({
        f"{block}.attn.out_proj": f"{layer}.self_attn.out_proj",
        f"{block}.ln_1": f"{layer}.layer_norm1", f"{block}.ln_2": f"{layer}.layer_norm2",
        f"{block}.mlp.c_fc": f"{layer}.mlp.fc1", f"{block}.mlp.c_proj": f"{layer}.mlp.fc2",
      })
      for kind in ["weight", "bias"]:
        names[f"{block}.attn.in_proj_{kind}"] = (
          [f"{layer}.self_attn.{part}_proj.{kind}" for part in "qkv"], False)
  for published, library in pairs.items():
    for kind in ["weight", "bias"]:
      names[f"{published}.{kind}"] = ([f"{library}.{kind}"], False)
  return names


# Small residual streams, so that a wrong epsilon shows; wide inner layers, so that a wrong
# activation does.
CLIP_SCALES = [
  ("logit_scale", 1.3, 0.05),
  ("token_embedding", 0.0, 0.015),
  ("positional_embedding", 0.0, 0.012),
  ("class_embedding", 0.0, 0.02),
  ("conv1.weight", 0.0, 0.002),
  ("ln_pre.weight", 0.02, 0.005),
  ("ln_pre.bias", 0.0, 0.006),
  ("in_proj_weight", 0.0, 0.35),
  ("in_proj_bias", 0.0, 0.2),
  ("out_proj.weight", 0.0, 0.003),
  ("out_proj.bias", 0.0, 0.005),
  ("c_fc.weight", 0.0, 0.4),
  ("c_proj.weight", 0.0, 0.003),
  ("c_proj.bias", 0.0, 0.005),
  ("ln_1.weight", 1.0, 0.2),
  ("ln_2.weight", 1.0, 0.2),
  ("ln_post.weight", 1.0, 0.2),
  ("ln_final.weight", 1.0, 0.2),
  (".bias", 0.0, 0.2),
  ("", 0.0, 0.3),
]


def clip_inputs(ids, pixels, masked=True):
  lengths = [len(row) for row in ids]
  inputs = {"input_ids": padded_rows(ids, PAD, max(lengths)), "pixel_values": torch.stack(pixels)}
  if masked:
    inputs["attention_mask"] = masks(lengths)
  return inputs


def run_clip(model, inputs, lengths, places=range(COUNT)):
  dtype = next(model.parameters()).dtype
  inputs = {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}
  result = model(**inputs)
  outputs = {}
  for row, place in enumerate(places):
    outputs.update({
      f"{place}.text": result.text_model_output.last_hidden_state[row, : lengths[row]],
      f"{place}.visual": result.vision_model_output.last_hidden_state[row],
      f"{place}.text_feature": result.text_model_output.pooler_output[row],
      f"{place}.image_feature": result.vision_model_output.pooler_output[row],
    })
  if len(lengths) == COUNT:
    outputs["logits_per_image"] = result.logits_per_image
  return outputs


def clip_logits(model, outputs):
  text = F.normalize(torch.stack(gather(outputs, "text_feature")), dim=-1)
  image = F.normalize(torch.stack(gather(outputs, "image_feature")), dim=-1)
  return model.logit_scale.exp() * image @ text.T


def contrastive(logits):
  target = torch.arange(len(logits))
  return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def make_clip():
  rng = np.random.default_rng(SEED + 2)
  torch.manual_seed(SEED)
  # The library's eager attention takes its softmax in single precision; sdpa keeps double.
  model = CLIPModel(CLIPConfig(
    text_config={
      "vocab_size": VOCABULARY, "hidden_size": CLIP_TEXT_WIDTH, "projection_dim": CLIP_PROJECTION,
      "intermediate_size": CLIP_TEXT_FFN, "num_hidden_layers": CLIP_TEXT_LAYERS,
      "num_attention_heads": HEADS, "max_position_embeddings": MAX_TEXT, "pad_token_id": PAD,
      "hidden_act": "quick_gelu", "bos_token_id": BOS, "eos_token_id": EOS,
      "layer_norm_eps": CLIP_EPS,
    },
    vision_config={
      "hidden_size": CLIP_VISION_WIDTH, "intermediate_size": CLIP_VISION_FFN,
      "projection_dim": CLIP_PROJECTION, "num_hidden_layers": CLIP_VISION_LAYERS,
      "num_attention_heads": HEADS, "image_size": CLIP_IMAGE, "patch_size": CLIP_PATCH,
      "hidden_act": "quick_gelu", "layer_norm_eps": CLIP_EPS,
    },
    projection_dim=CLIP_PROJECTION, attn_implementation="sdpa",
  )).double().eval()
  names = clip_names()
  weights = draw_weights(model, names, CLIP_SCALES, rng)
  ids = [torch.from_numpy(np.concatenate([[BOS], rng.integers(FIRST_WORD, BOS, size=n - 2), [EOS]]))
         for n in TEXT_LENGTHS]
  pixels = [draw(rng, (3, CLIP_IMAGE, CLIP_IMAGE), 0.8) for _ in range(COUNT)]
  inputs = clip_inputs(ids, pixels)

  run = lambda m: run_clip(m, inputs, TEXT_LENGTHS)
  total = lambda outputs: contrastive(outputs["logits_per_image"])
  padded, alone = run(model), {}
  for place in range(COUNT):
    one = clip_inputs(ids[place : place + 1], pixels[place : place + 1])
    alone.update(run_clip(model, one, TEXT_LENGTHS[place : place + 1], [place]))
  alone["logits_per_image"] = clip_logits(model, alone)
  grads, check = all_checks(
    model, names, alone, padded, run, total(alone), total(padded), total)
  # Attention is causal, so the text needs no mask at all.
  unmasked = run_clip(model, clip_inputs(ids, pixels, masked=False), TEXT_LENGTHS)
  check["masked_and_unmasked_outputs"] = difference(
    *zip(*[(unmasked[k], padded[k]) for k in padded]))
  assert check["masked_and_unmasked_outputs"] < 1e-12, check
  check["library_total"] = abs(
    (model(**inputs, return_loss=True).loss - total(padded)).item())
  assert check["library_total"] < 1e-12, check
  for name in names:
    if name.endswith("in_proj_bias"):
      assert float(torch.chunk(grads[name], 3)[1].abs().max()) < 1e-12, name

  keys = ["text", "visual", "text_feature", "image_feature", "logits_per_image"]
  text, vision = ["text", "text_feature"], ["visual", "image_feature"]
  wrong = lambda name, edit, keys: variant(model, edit, run, padded, name, keys)

  def no_pre_norm(changed):
    changed.vision_model.pre_layrnorm = nn.Identity()

  def no_post_norm(changed):
    changed.vision_model.post_layernorm = nn.Identity()

  def no_class(changed):
    changed.vision_model.embeddings.class_embedding.data.zero_()

  def both_ways(changed):
    # Every word sees every valid word: the causal mask is dropped, the padding mask is kept.
    for layer in changed.text_model.encoder.layers:
      attention = layer.self_attn
      original = attention.forward

      def forward(hidden_states, attention_mask=None, original=original, **named):
        mask = inputs["attention_mask"].bool()[:, None, None, :]
        mask = mask.expand(-1, 1, hidden_states.shape[1], -1)
        return original(hidden_states=hidden_states, attention_mask=mask,
                        **{**named, "is_causal": False})

      attention.forward = forward

  first = {k: v for k, v in padded.items()}
  for place in range(COUNT):
    projection = model.text_projection
    first[f"{place}.text_feature"] = projection(padded[f"{place}.text"][0])
  wrongs = {
    "erf_gelu": wrong("erf", with_activation("activation_fn", nn.GELU()), keys),
    "tanh_gelu": wrong(
      "tanh", with_activation("activation_fn", nn.GELU(approximate="tanh")), keys),
    "all_eps_1e-12": wrong("eps", with_epsilon("", 1e-12), keys),
    "all_eps_1e-6": wrong("eps -6", with_epsilon("", 1e-6), keys),
    "block_eps_1e-12": wrong("block eps", with_epsilon("encoder.layers", 1e-12), keys),
    "final_norm_eps_1e-12": wrong("final eps", with_epsilon("final_layer_norm", 1e-12), text),
    "pre_norm_eps_1e-12": wrong("pre eps", with_epsilon("pre_layrnorm", 1e-12), vision),
    "post_norm_eps_1e-12": wrong(
      "post eps", with_epsilon("post_layernorm", 1e-12), ["image_feature"]),
    "no_pre_norm": wrong("no pre", no_pre_norm, vision),
    "no_post_norm": wrong("no post", no_post_norm, ["image_feature"]),
    "no_class_embedding": wrong("no class", no_class, vision),
    "not_causal": wrong("causal", both_ways, text),
    "feature_at_start": check_moved("start", moved(padded, first), ["text_feature"]),
  }

  batch, stored = {}, dict(padded)
  for place in range(COUNT):
    batch[f"{place}.ids"], batch[f"{place}.pixels"] = ids[place], pixels[place]
  save("clip", "weights.safetensors", weights)
  save("clip", "batch.safetensors", batch)
  save("clip", "outputs.safetensors", stored)
  save("clip", "gradients.safetensors", grads)
  losses = {"contrastive": total(padded)}
  logits = padded["logits_per_image"]
  target = torch.arange(COUNT)
  other = {
    "image_to_text": F.cross_entropy(logits, target),
    "text_to_image": F.cross_entropy(logits.T, target),
  }
  vision_count = sum(w.numel() for k, w in weights.items() if k.startswith("visual."))
  whole = sum(w.numel() for w in weights.values())
  save_json("clip", "clip.json", {
    "config": {
      "text_hidden": CLIP_TEXT_WIDTH, "text_heads": HEADS, "text_layers": CLIP_TEXT_LAYERS,
      "text_ffn": CLIP_TEXT_FFN, "vocabulary": VOCABULARY, "max_text": MAX_TEXT, "bos": BOS,
      "eos": EOS, "vision_hidden": CLIP_VISION_WIDTH, "vision_heads": HEADS,
      "vision_layers": CLIP_VISION_LAYERS, "vision_ffn": CLIP_VISION_FFN, "patch": CLIP_PATCH,
      "image": CLIP_IMAGE, "projection": CLIP_PROJECTION, "eps": CLIP_EPS,
      "activation": "quick_gelu", "logit_scale": float(weights["logit_scale"]),
    },
    "counts": {
      "examples": COUNT, "text_lengths": TEXT_LENGTHS,
      "patches": (CLIP_IMAGE // CLIP_PATCH) ** 2,
    },
    "losses": rounded(losses),
    "other_losses": rounded(other),
    "parameter_counts": {"all": whole, "vision": vision_count, "text": whole - vision_count - 1},
    "checks": short(check),
    "moved_by": wrongs,
  })
  report("clip", losses, other, check, wrongs)


if __name__ == "__main__":
  torch.set_num_threads(1)
  for folder in ["lxmert", "visualbert", "clip"]:
    (FOLDER / folder).mkdir(parents=True, exist_ok=True)
  make_lxmert()
  make_visualbert()
  make_clip()
  for folder in ["lxmert", "visualbert", "clip"]:
    size = sum(path.stat().st_size for path in (FOLDER / folder).iterdir())
    print(f"{folder} fixtures: {size} bytes")
