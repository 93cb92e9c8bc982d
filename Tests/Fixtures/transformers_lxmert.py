"""Makes the LXMERT fixture; make_transformers_models.py runs it and says what it writes."""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import LxmertConfig, LxmertForPreTraining, LxmertForQuestionAnswering

from transformers_support import (
  ANSWER, ANSWERS, ATTRIBUTES, BERT_EPS, BERT_SCALES, BOX, CLS, COUNT, CROSS_LAYERS, FEATURE, HEADS,
  HIDDEN, IGNORED, LANGUAGE_LAYERS, LXMERT_FFN, LXMERT_WIDTH, MASK, MATCH, MAX_TEXT, OBJECTS, PAD,
  REGIONS, SEED, SEP, TEXT_LENGTHS, TYPES, VISUAL_LAYERS, VOCABULARY, all_checks, check_moved,
  difference, draw, draw_weights, gather, gradients, make_text, masks, mean_loss, moved,
  padded_rows, parameter_counts, report, rounded, save, save_json, short, uniform, variant,
  with_activation, with_epsilon,
)


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
