"""Makes the Hugging Face folders: tiny random models of every class, saved and run by transformers.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, safetensors 0.8.0,
numpy 2.4.6.

    OMP_NUM_THREADS=1 python Tests/Fixtures/make_huggingface.py

Writes huggingface/<name>/ beside this script. Each folder has config.json and model.safetensors as
`save_pretrained` leaves them, inputs.safetensors with one padded batch under the library's argument
names, and expected.safetensors with the library's answers. Every answer is computed in double
precision from inputs and weights that float32 holds exactly, and rounded to float32 when stored;
each example run by itself and without padding must agree with its place in the batch.

Inputs. B examples, L places of text, R regions, F numbers a region, N pictures an example (NLVR2),
C choices an example (VCR), H by W pixels:
  input_ids, attention_mask, token_type_ids  [B,L], VCR [B,C,L]
  pixel_values [B,3,H,W], pixel_mask [B,H,W]  NLVR2 [B,N,3,H,W] and [B,N,H,W], as the library wants
  visual_feats [B,R,F], visual_pos [B,R,4], visual_attention_mask [B,R]  LXMERT
  visual_embeds [B,R,F], visual_token_type_ids, visual_attention_mask [B,R]  VisualBERT, with
    [B,C,R] in VCR
  mlm_labels [B,L] with -100 where nothing is asked, itm_labels [B], ans [B]
  obj_labels, attr_labels [B,R], feat_labels [B,R,F] and the weight of each place in its loss,
    obj_confidence, attr_confidence, feat_confidence [B,R]  LXMERT
Padded regions hold noise, padded pixels zeros. VisualBERT's own labels are L + R long: the regions'
part is -100.

Answers have the library's names, and the trunk's states besides: text_states [B,L,D], visual_states
[B,R,D] and pooled [B,D]. Rows at padded places are zero, in the logits of places too. ViLT's
visual_states are [B,P,D]: the class token's row, then the picture's valid patches row by row, then
zeros; NLVR2 has [B,N,L,D] and [B,N,P,D]. CLIP's text_states come after the final norm, its
visual_states before the last one, and text_pooled and visual_pooled are what is projected.
wrong.<mistake>.<field> is what a reader gets that makes the mistake.

Further folders: bert-sharded is bert in three files, vilt-bin is vilt-vqa written by torch.save
with the position_ids that older versions of the library stored, lxmert-bin-sharded is lxmert-vqa in
two files in the container of torch before 1.6.

The sizes, files, weights and inputs are in huggingface_support.py, and what makes one folder is in
huggingface_running.py; here are the mistakes, losses and folders of each family.
"""

import json
import shutil

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from transformers import (
  BertConfig, BertForMaskedLM, BertForPreTraining, BertModel, CLIPConfig, CLIPModel,
  LxmertConfig, LxmertForPreTraining, LxmertForQuestionAnswering, LxmertModel, ViltConfig,
  ViltForImageAndTextRetrieval, ViltForImagesAndTextClassification, ViltForMaskedLM,
  ViltForQuestionAnswering, ViltModel, ViTConfig, ViTForImageClassification, ViTModel,
  VisualBertConfig, VisualBertForMultipleChoice, VisualBertForPreTraining,
  VisualBertForQuestionAnswering, VisualBertForVisualReasoning, VisualBertModel,
)
from transformers.utils import logging

from huggingface_running import (
  clip_states, edited, fields_of, joined_states, lxmert_states, make, pair_states, patch_states,
  patches_in_order, picture_states, text_states, with_config,
)
from huggingface_support import (
  ANSWERS, ANSWER_NAMES, BERT, CLIP_END, CLIP_PROJECTION, CLIP_START, CLIP_TEXT, CLIP_VISION, COUNT,
  FOLDER, IGNORED, LXMERT, PICTURE, REGIONS, SEED, SMALL_ROWS, TEXT, TEXT_LENGTHS, VILT, VISUALBERT,
  VIT, VIT_CLASSES, VIT_IMAGE, VIT_SQUARE, box_inputs, check_reading, choice_inputs,
  image_processor, masks, normal, one_example, picture_inputs, region_inputs, save_json, save_model,
  save_older_container, save_tokenizer, save_words, text_inputs,
)


# MARK: Mistakes


def activation_before_norm(model):
  head = model.classifier
  model.classifier = nn.Sequential(head[0], head[2], head[1], head[3])


def head_epsilon(model):
  model.classifier[1].eps = model.config.layer_norm_eps


def last_place(model):
  """The answer read from the text's last place, [SEP], and not from the one before."""
  original = model.forward

  def forward(**inputs):
    result = original(**inputs, output_hidden_states=True)
    last = inputs["attention_mask"].sum(1) - 1
    result.logits = model.cls(result.hidden_states[-1][torch.arange(len(last)), last])
    return result

  model.forward = forward


def exact_activation(model):
  for module in model.modules():
    if hasattr(module, "activation_fn"):
      module.activation_fn = nn.GELU()


# MARK: Losses


def mean_loss(logits, labels):
  return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1),
                         ignore_index=IGNORED)


def check_total(found, model, inputs, tolerance=1e-12, **labels):
  with torch.no_grad(), patches_in_order():
    total = float(model(**inputs, **labels).loss)
  mine = float(sum(found.values()))
  assert abs(total - mine) < tolerance * max(1, abs(mine)), (total, mine)
  return found


def masked_losses(model, inputs, labels, expected):
  found = {"mlm_loss": mean_loss(expected["logits"], labels["mlm_labels"])}
  return check_total(found, model, inputs, labels=labels["mlm_labels"])


def bert_losses(model, inputs, labels, expected):
  found = {
    "mlm_loss": mean_loss(expected["prediction_logits"], labels["mlm_labels"]),
    "itm_loss": mean_loss(expected["seq_relationship_logits"], labels["itm_labels"]),
  }
  return check_total(
    found, model, inputs, labels=labels["mlm_labels"], next_sentence_label=labels["itm_labels"])


def visualbert_losses(model, inputs, labels, expected):
  length = inputs["input_ids"].shape[1]
  found = {
    "mlm_loss": mean_loss(expected["prediction_logits"][:, :length], labels["mlm_labels"]),
    "itm_loss": mean_loss(expected["seq_relationship_logits"], labels["itm_labels"]),
  }
  longer = F.pad(labels["mlm_labels"], (0, max(REGIONS)), value=IGNORED)
  return check_total(
    found, model, inputs, labels=longer, sentence_image_labels=labels["itm_labels"])


def lxmert_losses(model, inputs, labels, expected):
  """The three means over regions divide by B times R, padding and all, as in the library."""
  found = {
    "mlm_loss": mean_loss(expected["prediction_logits"], labels["mlm_labels"]),
    "itm_loss": mean_loss(expected["cross_relationship_score"], labels["itm_labels"]),
    "ans_loss": mean_loss(expected["question_answering_score"], labels["ans"]),
  }
  weight = model.config.visual_loss_normalizer
  for key in ["obj", "attr"]:
    each = F.cross_entropy(
      expected[f"{key}_scores"].flatten(0, 1), labels[f"{key}_labels"].flatten(), reduction="none")
    found[f"{key}_loss"] = (each * labels[f"{key}_confidence"].flatten()).mean() * weight
  each = F.smooth_l1_loss(expected["feat_scores"], labels["feat_labels"], reduction="none").mean(2)
  found["feat_loss"] = (each * labels["feat_confidence"]).mean() * weight
  # The library adds its losses up in single precision, whatever the model's type.
  return check_total(
    found, model, inputs, tolerance=1e-6, labels=labels["mlm_labels"],
    matched_label=labels["itm_labels"], ans=labels["ans"],
    obj_labels={key: (labels[f"{key}_labels"], labels[f"{key}_confidence"])
                for key in ["obj", "attr", "feat"]})


def lxmert_labels(rng, inputs):
  shape, valid = (COUNT, max(REGIONS)), masks(REGIONS)
  sure = lambda: torch.from_numpy(rng.uniform(0.2, 1, size=shape).astype(np.float32)).double()
  return {
    "ans": torch.tensor([2, IGNORED, 5]),
    "obj_labels": torch.from_numpy(rng.integers(0, LXMERT["num_object_labels"], size=shape)),
    "attr_labels": torch.from_numpy(rng.integers(0, LXMERT["num_attr_labels"], size=shape)),
    "feat_labels": normal(rng, inputs["visual_feats"].shape, 1.5),
    "obj_confidence": sure() * valid, "attr_confidence": sure() * valid,
    "feat_confidence": sure() * valid,
  }


# MARK: Folders


def make_bert():
  rng = np.random.default_rng(SEED)
  inputs, labels = text_inputs(rng)
  config = lambda: BertConfig(**BERT)
  fields = ["last_hidden_state", "pooler_output"]
  names = {"last_hidden_state": "text", "pooler_output": "whole"}
  model, _ = make(
    "bert", BertModel, config(), inputs, names, text_states, rng, special=SMALL_ROWS, wrongs={
      "eps": (with_config(layer_norm_eps=1e-5), fields),
      "gelu": (with_config(hidden_act="gelu_new"), fields),
    })
  save_words("bert")
  save_tokenizer("bert")
  size = sum(v.numel() for v in model.state_dict().values()) * 4
  save_model("bert-sharded", model, max_shard_size=size * 2 // 5)
  index = json.loads((FOLDER / "bert-sharded" / "model.safetensors.index.json").read_text())
  assert len(set(index["weight_map"].values())) == 3
  make("bert-masked-lm", BertForMaskedLM, config(), inputs, {"logits": "text"}, text_states, rng,
       labels={"mlm_labels": labels}, losses=masked_losses)
  make("bert-pretraining", BertForPreTraining, config(), inputs,
       {"prediction_logits": "text", "seq_relationship_logits": "whole"}, text_states, rng,
       labels={"mlm_labels": labels, "itm_labels": torch.tensor([0, 1, 1])}, losses=bert_losses)


def make_vit():
  rng = np.random.default_rng(SEED + 1)
  fields = ["last_hidden_state", "pooler_output"]
  make("vit", ViTModel, ViTConfig(**VIT, image_size=VIT_IMAGE),
       {"pixel_values": normal(rng, (COUNT, 3, *VIT_IMAGE), 0.6)},
       {key: "whole" for key in fields}, picture_states, rng,
       special=SMALL_ROWS, wrongs={
         "eps": (with_config(layer_norm_eps=1e-5), fields),
         "gelu": (with_config(hidden_act="gelu_new"), fields),
       })
  save_json("vit", "preprocessor_config.json", image_processor(
    "ViTImageProcessor", {"height": VIT_IMAGE[0], "width": VIT_IMAGE[1]}, 2))
  make("vit-classification", ViTForImageClassification,
       ViTConfig(**VIT, image_size=VIT_SQUARE, num_labels=VIT_CLASSES),
       {"pixel_values": normal(rng, (COUNT, 3, VIT_SQUARE, VIT_SQUARE), 0.6)},
       {"logits": "whole"}, picture_states, rng)


def check_patch_order(model, inputs, expected):
  """Without the fixed draws the patches come in another order, which patch_index tells."""
  seen, embeddings = [], model.embeddings
  original = embeddings.visual_embed

  def visual_embed(*given, **named):
    seen.append(original(*given, **named))
    return seen[-1]

  embeddings.visual_embed = visual_embed
  with torch.no_grad():
    torch.manual_seed(SEED)
    states = model(**inputs).last_hidden_state[:, inputs["input_ids"].shape[1] :]
  del embeddings.visual_embed
  _, mask, (places, (_, width)) = seen[0]
  shuffled = False
  for row in range(COUNT):
    valid = mask[row, 1:].bool()
    order = (places[row] @ torch.tensor([width, 1]))[valid]
    shuffled |= bool((order.diff() < 0).any())
    sorted_rows = torch.cat([states[row, :1], states[row, 1:][valid][order.argsort()]])
    assert float((sorted_rows - expected[row, : len(sorted_rows)]).abs().max()) < 1e-9
  assert shuffled


def make_vilt():
  rng = np.random.default_rng(SEED + 2)
  texts, labels = text_inputs(rng)
  inputs = {**texts, **picture_inputs(rng)}
  config = lambda **more: ViltConfig(**VILT, **more)
  names = {"pooler_output": "whole"}
  model, double = make("vilt", ViltModel, config(), inputs, names, patch_states, rng)
  check_patch_order(
    double, inputs, fields_of(double, inputs, names, patch_states)["visual_states"][1])
  make("vilt-masked-lm", ViltForMaskedLM, config(), inputs, {"logits": "text"}, patch_states, rng,
       labels={"mlm_labels": labels}, losses=masked_losses)
  save_words("vilt-masked-lm")
  save_json("vilt-masked-lm", "preprocessor_config.json", image_processor(
    "ViltImageProcessor", {"shortest_edge": VILT["image_size"]}, 3, do_pad=True,
    size_divisor=VILT["patch_size"]))
  answers = dict(enumerate(ANSWER_NAMES))
  model, _ = make(
    "vilt-vqa", ViltForQuestionAnswering,
    config(id2label=answers, label2id={word: i for i, word in answers.items()}), inputs,
    {"logits": "whole"}, patch_states, rng, special=[("classifier.0", 0.03)], wrongs={
      "order": (edited(activation_before_norm), ["logits"]),
      "head_eps": (edited(head_epsilon), ["logits"]),
    })
  (FOLDER / "vilt-bin").mkdir(exist_ok=True)
  shutil.copy(FOLDER / "vilt-vqa" / "config.json", FOLDER / "vilt-bin")
  older = model.state_dict()
  older["vilt.embeddings.text_embeddings.position_ids"] = (
    torch.arange(VILT["max_position_embeddings"])[None])
  torch.save(older, FOLDER / "vilt-bin" / "pytorch_model.bin")
  check_reading("vilt-bin", model)
  make("vilt-retrieval", ViltForImageAndTextRetrieval, config(), inputs, {"logits": "whole"},
       patch_states, rng)
  inputs = {**texts, **picture_inputs(rng, pair=True)}
  _, double = make(
    "vilt-nlvr2", ViltForImagesAndTextClassification,
    config(num_images=2, modality_type_vocab_size=3), inputs, {"logits": "whole"}, pair_states, rng)
  check_pictures_alone(double, inputs)


def check_pictures_alone(model, inputs):
  """NLVR2: each picture by itself, cut to its own size, through the trunk."""
  together = fields_of(model, inputs, {}, pair_states)["pooled"][1]
  pixels, parts = {k: v for k, v in inputs.items() if k in PICTURE}, []
  for row in range(COUNT):
    text = one_example({k: inputs[k] for k in TEXT}, (row,))
    for side in range(2):
      one = one_example({k: v[:, side] for k, v in pixels.items()}, (row,))
      with torch.no_grad():
        parts.append(model.vilt(**text, **one, image_token_type_idx=side + 1).pooler_output[0])
  assert float((torch.stack(parts).view(COUNT, -1) - together).abs().max()) < 1e-9


def make_lxmert():
  rng = np.random.default_rng(SEED + 3)
  texts, labels = text_inputs(rng)
  inputs = {**texts, **box_inputs(rng)}
  config = lambda: LxmertConfig(**LXMERT)
  make("lxmert", LxmertModel, config(), inputs,
       {"language_output": "text", "vision_output": "regions", "pooled_output": "whole"},
       lxmert_states, rng)
  make("lxmert-pretraining", LxmertForPreTraining, config(), inputs, {
    "prediction_logits": "text", "cross_relationship_score": "whole",
    "question_answering_score": "whole",
  }, lxmert_states, rng, losses=lxmert_losses, labels={
    "mlm_labels": labels, "itm_labels": torch.tensor([1, 0, 1]), **lxmert_labels(rng, inputs)})
  save_words("lxmert-pretraining")
  model, _ = make("lxmert-vqa", LxmertForQuestionAnswering, config(), inputs,
                  {"question_answering_score": "whole"}, lxmert_states, rng)
  folder = FOLDER / "lxmert-bin-sharded"
  folder.mkdir(exist_ok=True)
  shutil.copy(FOLDER / "lxmert-vqa" / "config.json", folder)
  weights = load_file(FOLDER / "lxmert-vqa" / "model.safetensors")
  assert weights.keys() == model.state_dict().keys()
  items, total, first = list(model.state_dict().items()), 0, {}
  whole = sum(value.nbytes for _, value in items)
  for key, value in items:
    if total < whole / 2:
      first[key] = value
    total += value.nbytes
  parts = [first, {key: value for key, value in items if key not in first}]
  files = [f"pytorch_model-{i + 1:05}-of-{len(parts):05}.bin" for i in range(len(parts))]
  for file, part in zip(files, parts):
    save_older_container(folder / file, part)
  save_json(folder.name, "pytorch_model.bin.index.json", {
    "metadata": {"total_size": whole},
    "weight_map": {key: file for file, part in zip(files, parts) for key in part},
  })
  check_reading(folder.name, model)


def make_visualbert():
  rng = np.random.default_rng(SEED + 4)
  texts, labels = text_inputs(rng)
  inputs = {**texts, **region_inputs(rng)}
  config = lambda **more: VisualBertConfig(**VISUALBERT, **more)
  make("visualbert", VisualBertModel, config(), inputs,
       {"last_hidden_state": "joined", "pooler_output": "whole"}, joined_states, rng)
  make("visualbert-pretraining", VisualBertForPreTraining, config(), inputs,
       {"prediction_logits": "joined", "seq_relationship_logits": "whole"}, joined_states, rng,
       labels={"mlm_labels": labels, "itm_labels": torch.tensor([1, 0, 0])},
       losses=visualbert_losses)
  save_words("visualbert-pretraining")
  make("visualbert-vqa", VisualBertForQuestionAnswering, config(num_labels=ANSWERS), inputs,
       {"logits": "whole"}, joined_states, rng,
       wrongs={"last": (edited(last_place), ["logits"])})
  make("visualbert-nlvr2", VisualBertForVisualReasoning, config(), inputs, {"logits": "whole"},
       joined_states, rng)
  make("visualbert-vcr", VisualBertForMultipleChoice, config(), choice_inputs(rng),
       {"logits": "whole"}, joined_states, rng)


def make_clip():
  """Texts are padded with the end's own id, so it is the first one that counts. One word is 2."""
  rng = np.random.default_rng(SEED + 5)
  ids = torch.full((COUNT, max(TEXT_LENGTHS)), CLIP_END)
  for row, length in enumerate(TEXT_LENGTHS):
    words = rng.integers(3, CLIP_START, size=length - 2)
    words[1] = 2
    ids[row, :length] = torch.tensor([CLIP_START, *words, CLIP_END])
  side = CLIP_VISION["image_size"]
  inputs = {
    "input_ids": ids, "attention_mask": masks(TEXT_LENGTHS),
    "pixel_values": normal(rng, (COUNT, 3, side, side), 0.6),
  }
  names = ["image_embeds", "text_embeds", "logits_per_image", "logits_per_text"]
  config = CLIPConfig(
    text_config=CLIP_TEXT, vision_config=CLIP_VISION, projection_dim=CLIP_PROJECTION)
  _, double = make(
    "clip", CLIPModel, config, inputs, {key: "whole" for key in names}, clip_states, rng,
    wrongs={"gelu": (edited(exact_activation), ["image_embeds", "text_embeds"])})
  first = fields_of(double, inputs, {key: "whole" for key in names}, clip_states)
  logits = double.logit_scale.exp() * first["image_embeds"][1] @ first["text_embeds"][1].T
  assert float((logits - first["logits_per_image"][1]).detach().abs().max()) < 1e-9
  # Older folders say that the end's id is 2, and mean the largest.
  double.text_model.eos_token_id = 2
  older = fields_of(double, inputs, {key: "whole" for key in names}, clip_states)
  assert all(torch.equal(older[key][1], first[key][1]) for key in first)


if __name__ == "__main__":
  torch.set_num_threads(1)
  logging.set_verbosity_error()
  logging.disable_progress_bar()
  if FOLDER.exists():
    shutil.rmtree(FOLDER)
  FOLDER.mkdir(parents=True)
  make_bert()
  make_vit()
  make_vilt()
  make_lxmert()
  make_visualbert()
  make_clip()
  print()
  whole = 0
  for folder in sorted(FOLDER.iterdir()):
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    assert sum(sizes.values()) < 90_000, (folder.name, sum(sizes.values()))
    whole += sum(sizes.values())
    print(f"{folder.name}: {sum(sizes.values())} bytes", sizes)
  assert whole < 1_300_000, whole
  print(f"all: {whole} bytes")
