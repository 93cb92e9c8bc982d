"""What the Hugging Face folders are made of: sizes, files, random weights and padded inputs.

For make_huggingface.py and huggingface_running.py.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save as serialise
from transformers import BertTokenizer

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
