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
"""

import contextlib
import copy
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save as serialise
from safetensors.torch import load_file
from torch import nn
from transformers import (
  BertConfig, BertForMaskedLM, BertForPreTraining, BertModel, BertTokenizer, CLIPConfig, CLIPModel,
  LxmertConfig, LxmertForPreTraining, LxmertForQuestionAnswering, LxmertModel, ViltConfig,
  ViltForImageAndTextRetrieval, ViltForImagesAndTextClassification, ViltForMaskedLM,
  ViltForQuestionAnswering, ViltModel, ViTConfig, ViTForImageClassification, ViTModel,
  VisualBertConfig, VisualBertForMultipleChoice, VisualBertForPreTraining,
  VisualBertForQuestionAnswering, VisualBertForVisualReasoning, VisualBertModel,
)
from transformers.utils import logging

FOLDER = Path(__file__).resolve().parent / "huggingface"
SEED = 20210503

# The batch: three texts with [CLS] and [SEP], three lists of regions, three or six pictures.
TEXT_LENGTHS = [9, 5, 7]
REGIONS = [5, 8, 3]
GRIDS = [[(5, 2), (1, 3)], [(2, 4), (3, 2)], [(4, 1), (5, 3)]]
COUNT, TYPES, CHOICES = 3, 2, 4
IGNORED = -100

PAD, UNKNOWN, CLS, SEP, MASK, FIRST_WORD = 0, 1, 2, 3, 4, 5
WORDS = """[PAD] [UNK] [CLS] [SEP] [MASK] . , ? a the is are on in of and no two red blue dog cat
  man hat ball horse what where how many colour play ##s ##ing ##ed ##er un ##able left right
  under""".split()
VOCABULARY = len(WORDS)
ANSWER_NAMES = ["no", "two", "red", "blue", "left", "right"]
ANSWERS = len(ANSWER_NAMES)

BERT = dict(
  vocab_size=VOCABULARY, hidden_size=24, num_attention_heads=4, intermediate_size=28,
  num_hidden_layers=2, max_position_embeddings=13)
VIT = dict(
  hidden_size=21, num_attention_heads=3, intermediate_size=26, num_hidden_layers=2, patch_size=4)
VILT = dict(
  vocab_size=VOCABULARY, hidden_size=20, num_attention_heads=4, intermediate_size=22,
  num_hidden_layers=2, max_position_embeddings=12, image_size=9, patch_size=3)
LXMERT = dict(
  vocab_size=VOCABULARY, hidden_size=12, num_attention_heads=3, intermediate_size=13, l_layers=3,
  r_layers=1, x_layers=2, max_position_embeddings=11, visual_feat_dim=10, num_qa_labels=ANSWERS,
  num_object_labels=7, num_attr_labels=5)
VISUALBERT = dict(
  vocab_size=VOCABULARY, hidden_size=18, num_attention_heads=3, intermediate_size=26,
  num_hidden_layers=2, max_position_embeddings=14, visual_embedding_dim=10)
CLIP_VOCABULARY, CLIP_START, CLIP_END, CLIP_PROJECTION = 37, 35, 36, 10
CLIP_TEXT = dict(
  vocab_size=CLIP_VOCABULARY, hidden_size=16, num_attention_heads=4, intermediate_size=22,
  num_hidden_layers=2, max_position_embeddings=11, projection_dim=CLIP_PROJECTION,
  bos_token_id=CLIP_START, eos_token_id=CLIP_END)
CLIP_VISION = dict(
  hidden_size=15, num_attention_heads=3, intermediate_size=19, num_hidden_layers=3, image_size=12,
  patch_size=4, projection_dim=CLIP_PROJECTION)
VIT_IMAGE, VIT_SQUARE, VIT_CLASSES = [12, 20], 12, 7


# MARK: Files


def save(folder, name, tensors):
  """Writes float32 and int64 tensors; the names are sorted so that the file is reproducible."""
  arrays = {}
  for key, value in sorted(tensors.items()):
    array = value.detach().numpy()
    kind = np.int64 if array.dtype.kind in "iub" else np.float32
    arrays[key] = np.array(array, dtype=kind, order="C")
  (FOLDER / folder / name).write_bytes(serialise(arrays))


def save_json(folder, name, value):
  (FOLDER / folder / name).write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def save_words(folder):
  (FOLDER / folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")


def save_tokenizer(folder):
  """The library's tokenizer_config.json; its tokenizer.json says what vocab.txt says."""
  with tempfile.TemporaryDirectory() as other:
    words = str(FOLDER / folder / "vocab.txt")
    tokenizer = BertTokenizer(
      words, do_lower_case=True, model_max_length=BERT["max_position_embeddings"])
    assert [tokenizer.convert_tokens_to_ids(word) for word in WORDS] == list(range(VOCABULARY))
    tokenizer.save_pretrained(other)
    shutil.copy(Path(other) / "tokenizer_config.json", FOLDER / folder)


def image_processor(kind, size, resample, **more):
  """What the library's image processors save, which need packages of their own to run."""
  return {
    "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": kind, "image_std": [0.5, 0.5, 0.5], "resample": resample,
    "rescale_factor": 1 / 255, "size": size, **more,
  }


# MARK: Weights

# Spreads by the first piece that is in a parameter's name. Small rows before the first norm make a
# wrong epsilon show, wide queries and keys make the attention uneven, and wide inner layers reach
# the places where the forms of GELU differ.
SPREADS = [
  ("query.weight", 0.4), ("key.weight", 0.4), ("q_proj.weight", 0.4), ("k_proj.weight", 0.4),
  ("intermediate.dense.weight", 0.45), ("_inter.dense.weight", 0.45), ("fc1.weight", 0.45),
  ("attention.output.dense.weight", 0.15), ("_att.output.dense.weight", 0.15),
  ("output.dense.weight", 0.4), ("fc2.weight", 0.4),
]
SMALL_ROWS = [
  ("word_embeddings", 0.03), ("position_embeddings", 0.03), ("token_type_embeddings", 0.03),
  ("cls_token", 0.03), ("patch_embeddings", 0.02),
]


def draw_weights(model, rng, special):
  """Fills a model: vectors around their first values, all else around zero."""
  with torch.no_grad():
    for name, parameter in sorted(model.named_parameters()):
      spread = 0.2 if parameter.ndim < 2 else 0.15
      spread = next((s for piece, s in special + SPREADS if piece in name), spread)
      noise = torch.from_numpy(np.array(spread * rng.standard_normal(tuple(parameter.shape))))
      centre = parameter.double() if parameter.ndim < 2 else 0
      parameter.copy_((centre + noise).float())
  before = {name: id(parameter) for name, parameter in model.named_parameters()}
  model.tie_weights()
  assert before == {name: id(parameter) for name, parameter in model.named_parameters()}


def save_model(folder, model, **options):
  """Saves a model, reads it back, and checks every number."""
  path = FOLDER / folder
  path.mkdir(parents=True, exist_ok=True)
  model.save_pretrained(path, **options)
  check_reading(folder, model)


def check_reading(folder, model):
  again = type(model).from_pretrained(FOLDER / folder)
  left, right = model.state_dict(), again.state_dict()
  assert left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left), folder


def save_older_container(path, weights):
  """torch.save as before torch 1.6. That file names storages by address; numbers replace those."""
  storages = sorted((torch.empty(0) for _ in weights),
                    key=lambda v: str(v.untyped_storage()._cdata))
  copies = {}
  for (name, value), storage in zip(weights.items(), storages):
    copies[name] = storage.resize_(value.shape).copy_(value)
  torch.save(copies, path, _use_new_zipfile_serialization=False)
  text = lambda word: b"X" + len(word).to_bytes(4, "little") + word.encode()
  content = path.read_bytes()
  for number, storage in enumerate(storages):
    key = text(str(storage.untyped_storage()._cdata))
    assert content.count(key) == 2, path
    content = content.replace(key, text(str(94100000000000 + 128 * number)))
  path.write_bytes(content)


# MARK: Inputs


def normal(rng, shape, spread=1.0):
  """Normal numbers that float32 holds exactly, as doubles."""
  return torch.from_numpy((spread * rng.standard_normal(shape)).astype(np.float32)).double()


def masks(lengths):
  return (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]).long()


def text_inputs(rng):
  """Padded texts of two segments, and labels for the words that [MASK] hides."""
  longest = max(TEXT_LENGTHS)
  ids, types = torch.full((COUNT, longest), PAD), torch.zeros((COUNT, longest), dtype=torch.long)
  labels = torch.full((COUNT, longest), IGNORED)
  for row, length in enumerate(TEXT_LENGTHS):
    words = rng.integers(FIRST_WORD, VOCABULARY, size=length - 2)
    ids[row, :length] = torch.tensor([CLS, *words, SEP])
    types[row, length // 2 : length] = 1
    for place in rng.permutation(np.arange(1, length - 1))[: length // 3]:
      labels[row, place] = ids[row, place]
      ids[row, place] = MASK
  inputs = {"input_ids": ids, "attention_mask": masks(TEXT_LENGTHS), "token_type_ids": types}
  return inputs, labels


def picture_inputs(rng, pair=False):
  """Pictures of different sizes, zero at the right and below. Sizes are whole patches."""
  patch, pictures = VILT["patch_size"], 2 if pair else 1
  flat = [grid for grids in GRIDS for grid in grids[:pictures]]
  height, width = (patch * max(sides) for sides in zip(*flat))
  assert len({height, width, VILT["image_size"]}) == 3
  pixels = torch.zeros((len(flat), 3, height, width), dtype=torch.double)
  mask = torch.zeros((len(flat), height, width), dtype=torch.long)
  for row, (down, across) in enumerate(flat):
    h, w = patch * down, patch * across
    pixels[row, :, :h, :w] = normal(rng, (3, h, w), 0.6)
    mask[row, :h, :w] = 1
  if pair:
    pixels, mask = pixels.unflatten(0, (COUNT, pictures)), mask.unflatten(0, (COUNT, pictures))
  return {"pixel_values": pixels, "pixel_mask": mask}


def box_inputs(rng):
  """LXMERT's regions. Boxes are x1, y1, x2, y2; the padded ones are noise like the features."""
  shape = (COUNT, max(REGIONS))
  first, size = rng.uniform(0, 0.6, size=(*shape, 2)), rng.uniform(0.1, 0.4, size=(*shape, 2))
  boxes = torch.from_numpy(np.concatenate([first, first + size], axis=-1).astype(np.float32))
  return {
    "visual_feats": normal(rng, (*shape, LXMERT["visual_feat_dim"]), 1.5),
    "visual_pos": boxes.double(), "visual_attention_mask": masks(REGIONS),
  }


def region_inputs(rng):
  """VisualBERT's regions, some of either type."""
  shape = (COUNT, max(REGIONS))
  return {
    "visual_embeds": normal(rng, (*shape, VISUALBERT["visual_embedding_dim"])),
    "visual_token_type_ids": torch.from_numpy(rng.integers(0, TYPES, size=shape)),
    "visual_attention_mask": masks(REGIONS),
  }


def choice_inputs(rng):
  """VCR: every example has several texts, each of a length of its own, and regions for each."""
  ways = []
  for shift in range(CHOICES):
    one = {**text_inputs(rng)[0], **region_inputs(rng)}
    ways.append({key: value.roll(shift, dims=0) for key, value in one.items()})
  return {key: torch.stack([way[key] for way in ways], dim=1) for key in ways[0]}


TEXT = ["input_ids", "attention_mask", "token_type_ids"]
REGION = ["visual_feats", "visual_pos", "visual_attention_mask", "visual_embeds",
          "visual_token_type_ids"]
PICTURE = ["pixel_values", "pixel_mask"]


def one_example(inputs, place):
  """The example at a place, a tuple of one or two numbers, as a batch without padding."""
  one = {key: value[place] for key, value in inputs.items()}
  for keys, mask in [(TEXT, "attention_mask"), (REGION, "visual_attention_mask")]:
    for key in keys:
      if key in one:
        one[key] = one[key][: int(inputs[mask][place].sum())]
  if "pixel_mask" in one:
    valid = inputs["pixel_mask"][place].reshape(-1, *inputs["pixel_mask"].shape[-2:]).amax(0)
    down, across = int(valid.amax(1).sum()), int(valid.amax(0).sum())
    for key in PICTURE:
      one[key] = one[key][..., :down, :across]
  for _ in place:
    one = {key: value[None] for key, value in one.items()}
  return one


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
