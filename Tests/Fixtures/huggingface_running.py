"""Makes one Hugging Face folder: runs a model, reads its answers, and checks and saves them.

For make_huggingface.py, which gives `make` a class, inputs, one of the `_states` functions that say
what to read from the trunk, and the edits that are mistakes.
"""

import contextlib
import copy

import torch
import torch.nn.functional as F

from huggingface_support import (
  CHOICES, COUNT, SEED, VILT, draw_weights, one_example, save, save_model,
)


# MARK: Running

# A field is (kind, value). The kind says which rows are valid: "whole" has no rows that padding
# could fill, the others have the mask of that name.


def row_masks(inputs):
  found = {}
  if "attention_mask" in inputs:
    found["text"] = inputs["attention_mask"]
  if "visual_attention_mask" in inputs:
    found["regions"] = inputs["visual_attention_mask"]
    found["joined"] = torch.cat([found["text"], found["regions"]], dim=-1)
  if "pixel_mask" in inputs:
    patch = VILT["patch_size"]
    rows = inputs["pixel_mask"][..., ::patch, ::patch].sum((-1, -2)) + 1
    found["patches"] = (torch.arange(int(rows.max())) < rows[..., None]).long()
    if rows.ndim == 2:
      found["texts"] = found["text"][:, None].expand(-1, rows.shape[1], -1)
  return {kind: mask.bool() for kind, mask in found.items()}


@contextlib.contextmanager
def patches_in_order():
  """ViLT draws the order of the patches at random; here every draw is 0, 1, 2, …"""
  original = torch.multinomial

  def first(weights, count, replacement=False):
    return torch.arange(int(count)) % len(weights)

  torch.multinomial = first
  try:
    yield
  finally:
    torch.multinomial = original


def call(model, inputs):
  """The library's result, and those of its trunk, which NLVR2 runs more than once."""
  trunks = []
  hook = model.base_model.register_forward_hook(lambda module, given, result: trunks.append(result))
  try:
    with torch.no_grad(), patches_in_order():
      return model(**inputs), trunks
  finally:
    hook.remove()


def text_states(model, result, trunks, inputs):
  return {"text_states": ("text", trunks[0].last_hidden_state), **pooled(trunks)}


def picture_states(model, result, trunks, inputs):
  return {"visual_states": ("whole", trunks[0].last_hidden_state), **pooled(trunks)}


def joined_states(model, result, trunks, inputs):
  """VisualBERT: the regions follow the text. VCR's choices are rows of one batch in the trunk."""
  shape, length = inputs["input_ids"].shape[:-1], inputs["input_ids"].shape[-1]
  states = trunks[0].last_hidden_state.unflatten(0, shape)
  return {
    "text_states": ("text", states[..., :length, :]),
    "visual_states": ("regions", states[..., length:, :]),
    "pooled": ("whole", trunks[0].pooler_output.unflatten(0, shape)),
  }


def patch_states(model, result, trunks, inputs):
  length = inputs["input_ids"].shape[-1]
  states = trunks[0].last_hidden_state
  return {
    "text_states": ("text", states[:, :length]), "visual_states": ("patches", states[:, length:]),
    **pooled(trunks),
  }


def pair_states(model, result, trunks, inputs):
  """NLVR2: one run of the trunk a picture, and as many rows as the largest picture needs."""
  length = inputs["input_ids"].shape[-1]
  states = [trunk.last_hidden_state for trunk in trunks]
  rows = max(s.shape[1] for s in states)
  states = [F.pad(s, (0, 0, 0, rows - s.shape[1])) for s in states]
  states = torch.stack(states, dim=1)
  return {
    "text_states": ("texts", states[:, :, :length]),
    "visual_states": ("patches", states[:, :, length:]),
    "pooled": ("whole", torch.cat([trunk.pooler_output for trunk in trunks], dim=-1)),
  }


def lxmert_states(model, result, trunks, inputs):
  fields = {
    "text_states": ("text", trunks[0].language_output),
    "visual_states": ("regions", trunks[0].vision_output),
    "pooled": ("whole", trunks[0].pooled_output),
  }
  if hasattr(model, "obj_predict_head"):
    with torch.no_grad():
      scores = model.obj_predict_head(trunks[0].vision_output)
    fields.update({f"{key}_scores": ("regions", value) for key, value in scores.items()})
  return fields


def clip_states(model, result, trunks, inputs):
  """The towers run again: in the library's result their pooled vectors are the projected ones."""
  with torch.no_grad():
    text = model.text_model(inputs["input_ids"], attention_mask=inputs["attention_mask"])
    visual = model.vision_model(inputs["pixel_values"])
  return {
    "text_states": ("text", text.last_hidden_state),
    "visual_states": ("whole", visual.last_hidden_state),
    "text_pooled": ("whole", text.pooler_output), "visual_pooled": ("whole", visual.pooler_output),
  }


def pooled(trunks):
  value = trunks[0].pooler_output
  return {} if value is None else {"pooled": ("whole", value)}


def fields_of(model, inputs, names, states):
  result, trunks = call(model, inputs)
  fields = {name: (kind, getattr(result, name)) for name, kind in names.items()}
  fields.update(states(model, result, trunks, inputs))
  return fields


def without_padding(fields, inputs):
  """The values with zeros in the rows that are not valid."""
  valid = row_masks(inputs)
  return {
    name: value if kind == "whole" else value * valid[kind][..., None]
    for name, (kind, value) in fields.items()
  }


def check_alone(folder, run, inputs, fields, places):
  """Each example by itself, without padding, must give its valid rows of the batch."""
  valid, worst = row_masks(inputs), 0.0
  for place in places:
    one = one_example(inputs, place)
    alone, first = run(one), (0,) * len(place)
    only = row_masks(one)
    for name, (kind, value) in fields.items():
      if name.startswith("logits_per"):
        continue
      left, right = value[place], alone[name][1][first]
      if kind != "whole":
        left, right = left[valid[kind][place]], right[only[kind][first]]
      assert left.shape == right.shape, (folder, name, left.shape, right.shape)
      worst = max(worst, float((left - right).abs().max()))
  assert worst < 1e-9, (folder, worst)
  return worst


def relative(wrong, right):
  return float((wrong - right).abs().max() / right.abs().max())


def make(name, kind, config, inputs, names, states, rng, labels=None, losses=None, wrongs=None,
         special=(), wrong_names=None):
  """Makes one folder. `wrongs` has mistake -> (edit of a model or its configuration, fields)."""
  torch.manual_seed(SEED)
  model = kind(config).eval()
  draw_weights(model, rng, list(special))
  save_model(name, model)
  double = copy.deepcopy(model).double()
  run = lambda given, m=double: fields_of(m, given, names, states)
  fields = run(inputs)
  places = [(i,) for i in range(COUNT)]
  if "input_ids" in inputs and inputs["input_ids"].ndim == 3:
    places = [(i, j) for i in range(COUNT) for j in range(CHOICES)]
  worst = check_alone(name, run, inputs, fields, places)
  expected = without_padding(fields, inputs)
  stored = dict(expected)
  if losses:
    stored.update(losses(double, inputs, labels, expected))
  moved = {}
  for mistake, (edit, keys) in (wrongs or {}).items():
    changed = edit(double)
    wrong = without_padding(run(inputs, changed), inputs)
    for key in keys:
      stored[f"wrong.{mistake}.{key}"] = wrong[key]
      moved[f"{mistake}.{key}"] = relative(wrong[key], expected[key])
      assert moved[f"{mistake}.{key}"] > 1e-4, (name, moved)
  for key, value in stored.items():
    assert torch.isfinite(value).all() and float(value.abs().max()) > 1e-3, (name, key)
  save(name, "inputs.safetensors", {**inputs, **(labels or {})})
  save(name, "expected.safetensors", stored)
  print(f"\n{name}: alone and padded differ by {worst:.1e}")
  show = lambda values: " ".join(f"{k}{list(v.shape)}" for k, v in sorted(values.items()))
  print("  inputs", show({**inputs, **(labels or {})}))
  print("  expected", show({k: v for k, v in stored.items() if not k.startswith("wrong.")}))
  if losses:
    print("  losses", {k: round(float(v), 6) for k, v in stored.items() if k.endswith("loss")})
  if moved:
    print("  wrong", {k: float(f"{v:.1e}") for k, v in moved.items()})
  return model, double


# MARK: Mistakes


def with_config(**changes):
  """The same weights under a changed configuration."""

  def edit(model):
    config = copy.deepcopy(model.config)
    for key, value in changes.items():
      setattr(config, key, value)
    changed = type(model)(config).double().eval()
    changed.load_state_dict(model.state_dict())
    return changed

  return edit


def edited(change):
  def edit(model):
    changed = copy.deepcopy(model)
    change(changed)
    return changed

  return edit
