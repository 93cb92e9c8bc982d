"""Makes the VisualBERT fixture; make_transformers_models.py runs it and says what it writes."""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import VisualBertConfig, VisualBertForPreTraining

from transformers_support import (
  BERT_EPS, BERT_SCALES, CLS, COUNT, FEATURE, HEADS, IGNORED, MASK, MATCH, MAX_TEXT, PAD, REGIONS,
  SEED, SEP, TEXT_LENGTHS, TYPES, VISUALBERT_FFN, VISUALBERT_LAYERS, VISUALBERT_WIDTH, VOCABULARY,
  all_checks, check_moved, difference, draw, draw_weights, gather, make_text, masks, mean_loss,
  moved, padded_rows, parameter_counts, report, rounded, save, save_json, short, variant,
  with_activation, with_epsilon,
)


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
