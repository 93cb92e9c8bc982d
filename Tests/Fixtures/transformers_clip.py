"""Makes the CLIP fixture; make_transformers_models.py runs it and says what it writes."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPConfig, CLIPModel

from transformers_support import (
  BOS, CLIP_EPS, CLIP_IMAGE, CLIP_PATCH, CLIP_PROJECTION, CLIP_TEXT_FFN, CLIP_TEXT_LAYERS,
  CLIP_TEXT_WIDTH, CLIP_VISION_FFN, CLIP_VISION_LAYERS, CLIP_VISION_WIDTH, COUNT, EOS, FIRST_WORD,
  HEADS, MAX_TEXT, PAD, SEED, TEXT_LENGTHS, VOCABULARY, all_checks, check_moved, difference, draw,
  draw_weights, gather, masks, moved, padded_rows, report, rounded, save, save_json, short, variant,
  with_activation, with_epsilon,
)


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
