"""Makes the fixtures of the importers: tiny checkpoints in the files of the original repositories.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), safetensors 0.8.0, numpy 2.4.6.

    python Tests/Fixtures/make_originals.py

Reads {vilt,vlbert,lxmert,uniter,vilbert,visualbert,clip}/weights.safetensors beside this script and
writes Tests/Fixtures/originals/: the same weights as each repository publishes them, a tiny BERT of
2018, a tiny UNIMO in Paddle's format, files that an importer must refuse, and originals.json.

originals.json says for each file what an importer must find. Names are those of the file, prefix
included:

  family      the architecture; `source` is the fixture with the same weights
  container   "zip", "sequence" (before PyTorch 1.6), "torchscript" or "paddle"
  inside      the key under which the weights lie, where the file holds more than weights
  prefix      what stands before every name
  location    the device that storages name
  tensors     how many names the weights have; `types` counts them by type of element
  beside      names at the top that are no weights
  buffers     names among the weights that are no parameters
  tied        pairs of names with one storage: the copy, then the parameter
  views       tensors that begin inside their storage
  unused      weights that the architecture does not read
  renamed     pieces of names: as in the file, as in the source
  nan         tensors that hold NaN
  shape       of the one variable in paddle-long, which holds 0, 1, 2 and so on
  refuse      why the file must be refused

Everything is written again from the numbers, so a second run gives the same bytes. Every file is
read back here and compared bit by bit, except those that would do harm.
"""

import contextlib
import io
import json
import os
import pickle
import pickletools
import shutil
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import nn

ROOT = Path(__file__).resolve().parent
FOLDER = ROOT / "originals"
SEED = 20181011
LIMIT = 900_000

TOLD = {}
TYPES = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}

BERT_WIDTH, BERT_FFN, BERT_LAYERS, BERT_POSITIONS, VOCABULARY = 24, 8, 2, 12, 40
UNIMO_WIDTH, UNIMO_LAYERS, UNIMO_FEATURE, UNIMO_POSITIONS = 16, 2, 10, 14

CLIP_HEADS, CLIP_IMAGE, CLIP_PATCH, CLIP_TEXT = 4, 24, 8, 12

COMMAND = "touch evil-was-run"
BOMB = 10_000_000


# MARK: Classes that no reader knows


class ModelCheckpoint:
  """A callback of the training library; ViLT's files have the class itself as a key."""


class ValidationMonitor:
  """What VL-BERT's training keeps beside the weights."""


UNKNOWN = {
  "pytorch_lightning.callbacks.model_checkpoint": ModelCheckpoint,
  "common.callbacks.epoch_end_callbacks.validation_monitor": ValidationMonitor,
}
for home, kind in UNKNOWN.items():
  kind.__module__ = home


@contextlib.contextmanager
def stubs():
  """Modules of the names above, for as long as a file is written or read."""
  modules = {}
  for path, kind in UNKNOWN.items():
    pieces = path.split(".")
    for count in range(1, len(pieces) + 1):
      name = ".".join(pieces[:count])
      modules.setdefault(name, types.ModuleType(name))
    setattr(modules[path], kind.__name__, kind)
  with mock.patch.dict(sys.modules, modules):
    yield


# MARK: Weights


def source(family):
  return load_file(ROOT / family / "weights.safetensors")


def draw(generator, shape, centre=0.0, spread=0.2):
  return centre + spread * torch.randn(shape, generator=generator)


def linear(generator, name, inputs, outputs):
  return {
    f"{name}.weight": draw(generator, (outputs, inputs)),
    f"{name}.bias": draw(generator, (outputs,)),
  }


def state(weights, prefix=""):
  """What `state_dict()` returns: ordered, with the versions of modules as an attribute."""
  result = OrderedDict((prefix + name, value) for name, value in weights.items())
  result._metadata = OrderedDict([("", {"version": 1})])
  for name in result:
    result._metadata.setdefault(name.split(".")[0], {"version": 1})
  return result


def tie(weights, copy, original):
  """One parameter under two names: two tensors, as `state_dict()` returns, and one storage."""
  weights[copy] = weights[original].detach()
  return [copy, original]


def inside_storage(value, before, after):
  """The same numbers, `before` elements behind the beginning of a longer storage."""
  filling = torch.linspace(-1, 1, before + after)
  storage = torch.cat([filling[:before], value.flatten(), filling[before:]])
  return storage[before : before + value.numel()].view(value.shape)


# MARK: The older container


def save_sequence(value, path, location):
  """What torch.save wrote before version 1.6, with the wanted device, and with keys that count.

  The library takes addresses for keys, so its files differ from run to run.
  """
  storages, keys = {}, {}

  class Pickler(pickle.Pickler):
    def persistent_id(self, item):
      if not isinstance(item, torch.storage.TypedStorage):
        return None
      key = keys.setdefault(item._untyped_storage.data_ptr(), str(len(keys)))
      storages[key] = item
      kind = getattr(torch, item._pickle_storage_type())
      return "storage", kind, key, location, item._size(), None

  sizes = {"short": 2, "int": 4, "long": 4}
  system = {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}
  with open(path, "wb") as file:
    for part in [0x1950A86A20F9469CFC6C, 1001, system]:
      pickle.dump(part, file, protocol=2)
    Pickler(file, protocol=2).dump(value)
    # The order of the list is that of texts, so "10" comes before "2".
    pickle.dump(sorted(storages), file, protocol=2)
    for key in sorted(storages):
      numbers = torch.tensor([], dtype=storages[key].dtype).set_(storages[key]._untyped_storage)
      file.write(struct.pack("<q", len(numbers)) + bits(numbers))


# MARK: Reading what was written


def pickle_of(path):
  """The bytes of the pickle that holds the weights."""
  if zipfile.is_zipfile(path):
    with zipfile.ZipFile(path) as archive:
      return archive.read(next(n for n in archive.namelist() if n.endswith("/data.pkl")))
  file = io.BytesIO(path.read_bytes())
  for _ in range(3):  # the magic number, the version, the system
    for _ in pickletools.genops(file):
      pass
  start = file.tell()
  for _ in pickletools.genops(file):
    pass
  return file.getvalue()[start : file.tell()]


def texts(path):
  return {argument for _, argument, _ in pickletools.genops(pickle_of(path))
          if isinstance(argument, str)}


def bits(value):
  return value.detach().reshape(-1).numpy().tobytes()


def same(left, right):
  """Whether two values are equal to the last bit; NaN equals itself."""
  if isinstance(left, torch.Tensor):
    return (isinstance(right, torch.Tensor) and left.dtype == right.dtype
            and left.shape == right.shape and left.stride() == right.stride()
            and left.storage_offset() == right.storage_offset()
            and bits(left) == bits(right))
  if type(left) is not type(right):
    return False
  if isinstance(left, dict):
    return (list(left) == list(right) and all(same(left[key], right[key]) for key in left)
            and same(getattr(left, "_metadata", None), getattr(right, "_metadata", None)))
  if isinstance(left, (list, tuple)):
    return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right))
  if isinstance(left, ValidationMonitor):
    return same(vars(left), vars(right))
  return left == right


def count_types(weights):
  result = {}
  for value in weights.values():
    result[TYPES[value.dtype]] = result.get(TYPES[value.dtype], 0) + 1
  return result


def describe(name, family, container, weights, **more):
  """The description of one file; what says nothing is left out."""
  facts = {"family": family, "container": container, **more}
  facts.update(tensors=len(weights), types=count_types(weights))
  TOLD[name] = {key: value for key, value in facts.items() if value not in ("", [], None)}


def compare(name, weights, more):
  """The weights are those of the source; what is left over is tied or unused."""
  left = dict(weights)
  plain = {}
  for key in weights:
    new = key.removeprefix(more.get("prefix", ""))
    for original, library in more.get("renamed", []):
      new = new.replace(original, library)
    plain[new] = key
  for key, value in source(more["source"]).items():
    found = left.pop(plain[key])
    assert found.shape == value.shape and bits(found) == bits(value), (name, key)
  extra = [copy for copy, _ in more.get("tied", [])] + more.get("unused", [])
  assert sorted(left) == sorted(extra), (name, sorted(left))


def write(name, family, value, container, location="cpu", inside=None, **more):
  """Writes a file of torch.save, reads it back, and describes it."""
  path = FOLDER / name
  with stubs():
    if container == "sequence":
      save_sequence(value, path, location)
    else:
      torch.save(value, path)
    back = torch.load(path, map_location="cpu", weights_only=False)
  assert same(value, back), name
  assert zipfile.is_zipfile(path) == (container == "zip"), name
  found = texts(path) & {"cpu", "cuda:0"}
  assert found == {location}, (name, found)

  weights = back[inside] if inside else back
  for copy, original in more.get("tied", []):
    assert weights[copy] is not weights[original], copy
    assert weights[copy].data_ptr() == weights[original].data_ptr(), copy
  pointers = {}
  for key, tensor in weights.items():
    pointers.setdefault(tensor.untyped_storage().data_ptr(), []).append(key)
  shared = sorted(sorted(keys) for keys in pointers.values() if len(keys) > 1)
  assert shared == sorted(sorted(pair) for pair in more.get("tied", [])), (name, shared)
  for key, tensor in weights.items():
    assert key.startswith(more.get("prefix", "")), (name, key)
    assert (tensor.storage_offset() > 0) == (key in more.get("views", [])), (name, key)
    assert tensor.is_contiguous(), (name, key)
    holes = tensor.is_floating_point() and bool(tensor.isnan().any())
    assert holes == (key in more.get("nan", [])), (name, key)
  if "source" in more:
    compare(name, weights, more)
  beside = [str(key) for key in value if key != inside] if inside else []
  describe(name, family, container, weights, location=location, inside=inside, beside=beside,
           **more)


# MARK: The region models and ViLT


def make_vilt():
  weights = source("vilt")
  step = {
    "step": 7, "exp_avg": torch.full((32,), 0.25), "exp_avg_sq": torch.full((32,), 0.0625),
  }
  group = {"lr": 1e-4, "betas": (0.9, 0.98), "eps": 1e-8, "weight_decay": 0.01, "params": [0]}
  value = {
    "epoch": 1, "global_step": 7, "pytorch-lightning_version": "1.1.4",
    "callbacks": {ModelCheckpoint: {
      "monitor": "val/the_metric", "best_model_score": torch.tensor(0.5),
      "best_model_path": "result/checkpoints/epoch=1-step=7.ckpt",
    }},
    "optimizer_states": [{"state": {0: step}, "param_groups": [group]}],
    "lr_schedulers": [{"base_lrs": [1e-4], "last_epoch": 7, "lr_lambdas": [None]}],
    "state_dict": state(weights),
    "hparams_name": "config",
    "hyper_parameters": {"config": {
      "exp_name": "vilt", "loss_names": {"mlm": 1, "itm": 1, "vqa": 0}, "hidden_size": 32,
      "num_heads": 4, "num_layers": 2, "patch_size": 8, "image_size": 32, "max_text_len": 12,
      "draw_false_image": 1, "resume_from": None, "learning_rate": 1e-4,
    }},
  }
  write("vilt.ckpt", "vilt", value, "zip", inside="state_dict", source="vilt",
        buffers=["text_embeddings.position_ids"])
  named = [(op.name, arg) for op, arg, _ in pickletools.genops(pickle_of(FOLDER / "vilt.ckpt"))]
  assert ("GLOBAL", "pytorch_lightning.callbacks.model_checkpoint ModelCheckpoint") in named


def make_vlbert():
  weights = {"module." + name: value for name, value in source("vlbert").items()}
  pair = tie(weights, "module.vlbert.mlm_head.predictions.decoder.weight",
             "module.vlbert.word_embeddings.weight")
  monitor = ValidationMonitor()
  monitor.host_metric_name, monitor.best_epoch, monitor.best_val = "MLMAcc", 1, 0.625
  # Before PyTorch 1.5 optimisers named parameters by their addresses.
  address = 140213467129864
  value = {
    "state_dict": state(weights),
    "optimizer": {
      "state": {address: {
        "step": 7, "exp_avg": torch.full((24,), 0.25), "exp_avg_sq": torch.full((24,), 0.0625),
      }},
      "param_groups": [{"lr": 1e-7, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 1e-4,
                        "correct_bias": True, "initial_lr": 1e-7, "params": [address]}],
    },
    "epoch": 1,
    "validation_monitor": monitor,
  }
  write("vlbert.model", "vlbert", value, "sequence", location="cuda:0", inside="state_dict",
        source="vlbert", prefix="module.", tied=[pair])


def make_lxmert():
  weights = {"module." + name: value for name, value in source("lxmert").items()}
  pair = tie(weights, "module.cls.predictions.decoder.weight",
             "module.bert.embeddings.word_embeddings.weight")
  write("lxmert_LXRT.pth", "lxmert", state(weights), "sequence", location="cuda:0",
        source="lxmert", prefix="module.", tied=[pair])


def uniter_weights():
  weights = source("uniter")
  assert weights["uniter.embeddings.token_type_embeddings.weight"].shape[0] == 2
  pairs = [
    tie(weights, "cls.predictions.decoder.weight", "uniter.embeddings.word_embeddings.weight"),
    tie(weights, "feat_regress.weight", "uniter.img_embeddings.img_linear.weight"),
  ]
  return weights, pairs


def make_uniter():
  weights, pairs = uniter_weights()
  view = "uniter.img_embeddings.mask_embedding.weight"
  weights[view] = inside_storage(weights[view], 12, 5)
  write("uniter.pt", "uniter", weights, "zip", source="uniter", tied=pairs, views=[view])


def make_vilbert():
  generator = torch.Generator().manual_seed(SEED)
  weights = {"module." + name: value for name, value in source("vilbert").items()}
  unused = {}
  for name, value in list(weights.items()):
    if ".biOutput.dense" in name:
      unused[name.replace(".dense", ".q_dense")] = draw(generator, value.shape)
  weights.update(unused)
  pair = tie(weights, "module.cls.predictions.decoder.weight",
             "module.bert.embeddings.word_embeddings.weight")
  write("vilbert.bin", "vilbert", state(weights), "sequence", source="vilbert", prefix="module.",
        tied=[pair], unused=sorted(unused))


# Pieces of names: as in the file, as in the source. Replaced in this order, wherever they stand.
VISUALBERT_NAMES = [
  ["bert.bert", "visual_bert"], ["bert.cls", "cls"],
  ["token_type_embeddings_visual", "visual_token_type_embeddings"],
  ["position_embeddings_visual", "visual_position_embeddings"],
  ["projection", "visual_projection"],
]


def make_visualbert():
  weights = {}
  for name, value in source("visualbert").items():
    for original, library in VISUALBERT_NAMES:
      at_start = library in ("visual_bert", "cls")
      if name.startswith(library + ".") if at_start else f".{library}." in name:
        name = name.replace(library, original, 1)
    assert name.startswith("bert.") and "visual_" not in name, name
    weights[name] = value
  pair = tie(weights, "bert.cls.predictions.decoder.weight",
             "bert.bert.embeddings.word_embeddings.weight")
  write("visualbert.th", "visualbert", state(weights), "zip", source="visualbert", tied=[pair],
        renamed=VISUALBERT_NAMES)


def old_norm(generator, name):
  return {
    f"{name}.gamma": draw(generator, (BERT_WIDTH,), 1.0),
    f"{name}.beta": draw(generator, (BERT_WIDTH,)),
  }


def make_bert():
  """BERT as of 2018, when norms had gammas and betas."""
  g = torch.Generator().manual_seed(SEED + 1)
  at = "bert.embeddings"
  weights = {
    f"{at}.word_embeddings.weight": draw(g, (VOCABULARY, BERT_WIDTH)),
    f"{at}.position_embeddings.weight": draw(g, (BERT_POSITIONS, BERT_WIDTH)),
    f"{at}.token_type_embeddings.weight": draw(g, (2, BERT_WIDTH)),
    **old_norm(g, f"{at}.LayerNorm"),
  }
  for index in range(BERT_LAYERS):
    at = f"bert.encoder.layer.{index}"
    for part in ["query", "key", "value"]:
      weights.update(linear(g, f"{at}.attention.self.{part}", BERT_WIDTH, BERT_WIDTH))
    weights.update(linear(g, f"{at}.attention.output.dense", BERT_WIDTH, BERT_WIDTH))
    weights.update(old_norm(g, f"{at}.attention.output.LayerNorm"))
    weights.update(linear(g, f"{at}.intermediate.dense", BERT_WIDTH, BERT_FFN))
    weights.update(linear(g, f"{at}.output.dense", BERT_FFN, BERT_WIDTH))
    weights.update(old_norm(g, f"{at}.output.LayerNorm"))
  weights.update(linear(g, "bert.pooler.dense", BERT_WIDTH, BERT_WIDTH))
  weights["cls.predictions.bias"] = draw(g, (VOCABULARY,))
  weights.update(linear(g, "cls.predictions.transform.dense", BERT_WIDTH, BERT_WIDTH))
  weights.update(old_norm(g, "cls.predictions.transform.LayerNorm"))
  pair = tie(weights, "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight")
  weights.update(linear(g, "cls.seq_relationship", BERT_WIDTH, 2))
  write("bert-gamma-beta.bin", "bert", state(weights), "sequence", tied=[pair],
        renamed=[[".gamma", ".weight"], [".beta", ".bias"]])


# MARK: CLIP


class LayerNorm(nn.LayerNorm):
  def forward(self, x):
    return super().forward(x.float()).to(x.dtype)


class QuickGELU(nn.Module):
  def forward(self, x):
    return x * torch.sigmoid(1.702 * x)


class ResidualAttentionBlock(nn.Module):
  def __init__(self, width, ffn, causal):
    super().__init__()
    self.attn = nn.MultiheadAttention(width, CLIP_HEADS)
    self.ln_1 = LayerNorm(width)
    self.mlp = nn.Sequential(OrderedDict([
      ("c_fc", nn.Linear(width, ffn)), ("gelu", QuickGELU()), ("c_proj", nn.Linear(ffn, width)),
    ]))
    self.ln_2 = LayerNorm(width)
    self.causal = causal

  def forward(self, x):
    y = self.ln_1(x)
    mask = None
    if self.causal:
      mask = torch.full((x.shape[0], x.shape[0]), float("-inf"), dtype=x.dtype).triu(1)
    x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
    return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
  def __init__(self, width, ffn, layers, causal):
    super().__init__()
    blocks = [ResidualAttentionBlock(width, ffn, causal) for _ in range(layers)]
    self.resblocks = nn.Sequential(*blocks)

  def forward(self, x):
    return self.resblocks(x)


class VisualTransformer(nn.Module):
  def __init__(self, weights):
    super().__init__()
    empty = lambda name: nn.Parameter(torch.empty_like(weights["visual." + name]))
    width, ffn, layers = tower(weights, "visual.transformer")
    self.class_embedding = empty("class_embedding")
    self.positional_embedding = empty("positional_embedding")
    self.proj = empty("proj")
    self.conv1 = nn.Conv2d(3, width, CLIP_PATCH, stride=CLIP_PATCH, bias=False)
    self.ln_pre = LayerNorm(width)
    self.transformer = Transformer(width, ffn, layers, causal=False)
    self.ln_post = LayerNorm(width)

  def forward(self, x):
    x = self.conv1(x).flatten(2).transpose(1, 2)
    first = self.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
    x = torch.cat([first, x], dim=1) + self.positional_embedding.to(x.dtype)
    x = self.transformer(self.ln_pre(x).transpose(0, 1)).transpose(0, 1)
    return self.ln_post(x[:, 0]) @ self.proj


class Multimodal(nn.Module):
  """The published program: its names and classes, at the fixture's sizes."""

  def __init__(self, weights):
    super().__init__()
    width, ffn, layers = tower(weights, "transformer")
    self.positional_embedding = nn.Parameter(torch.empty_like(weights["positional_embedding"]))
    self.text_projection = nn.Parameter(torch.empty_like(weights["text_projection"]))
    self.logit_scale = nn.Parameter(torch.empty(()))
    self.register_buffer("input_resolution", torch.tensor(CLIP_IMAGE))
    self.register_buffer("context_length", torch.tensor(CLIP_TEXT))
    self.register_buffer("vocab_size", torch.tensor(VOCABULARY))
    self.visual = VisualTransformer(weights)
    self.transformer = Transformer(width, ffn, layers, causal=True)
    self.token_embedding = nn.Embedding(*weights["token_embedding.weight"].shape)
    self.ln_final = LayerNorm(width)

  def encode_image(self, image):
    return self.visual(image.to(self.text_projection.dtype))

  def encode_text(self, text):
    kind = self.text_projection.dtype
    x = self.token_embedding(text).to(kind) + self.positional_embedding.to(kind)
    x = self.ln_final(self.transformer(x.transpose(0, 1)).transpose(0, 1))
    return x[torch.arange(x.shape[0]), text.argmax(-1)] @ self.text_projection

  def forward(self, image, text):
    image, text = self.encode_image(image), self.encode_text(text)
    image = image / image.norm(dim=-1, keepdim=True)
    text = text / text.norm(dim=-1, keepdim=True)
    logits = self.logit_scale.exp() * image @ text.t()
    return logits, logits.t()


for kind in [LayerNorm, QuickGELU, ResidualAttentionBlock, Transformer, VisualTransformer,
             Multimodal]:
  kind.__module__ = "multimodal.model.multimodal_transformer"


def tower(weights, name):
  """Width, width of the inner layer, and number of blocks."""
  ffn, width = weights[f"{name}.resblocks.0.mlp.c_fc.weight"].shape
  blocks = {key[len(name):].split(".")[2] for key in weights if key.startswith(name + ".")}
  return width, ffn, len(blocks)


def halve(model):
  """Half precision for what the published files have so: not for norms and embeddings."""
  for module in model.modules():
    if isinstance(module, (nn.Conv2d, nn.Linear)):
      module.half()
    if isinstance(module, nn.MultiheadAttention):
      module.in_proj_weight.data = module.in_proj_weight.data.half()
      module.in_proj_bias.data = module.in_proj_bias.data.half()
  model.text_projection.data = model.text_projection.data.half()
  model.visual.proj.data = model.visual.proj.data.half()


def archive_of_2021(data):
  """The archive as PyTorch 1.7 wrote it on a GPU: storages on cuda:0, no notes for debugging."""
  target = io.BytesIO()
  with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
    for entry in old.infolist():
      folder, name = entry.filename.split("/", 1)
      if name.endswith(".debug_pkl") or name.startswith((".", "byteorder", "traced_inputs")):
        continue
      content = old.read(entry)
      if name == "data.pkl":
        place = struct.pack("<BI", ord("X"), 3) + b"cpu"
        assert content.count(place) == 1
        content = content.replace(place, struct.pack("<BI", ord("X"), 6) + b"cuda:0")
      info = zipfile.ZipInfo(f"clip/{name}")
      info.compress_type = entry.compress_type
      if entry.compress_type == zipfile.ZIP_STORED:
        # Numbers begin at multiples of 64.
        start = target.tell() + 30 + len(info.filename) + 4
        info.extra = struct.pack("<HH", 0x4246, -start % 64) + b"Z" * (-start % 64)
      new.writestr(info, content)
  return target.getvalue()


def make_clip():
  weights = source("clip")
  write("clip-state.pt", "clip", state(weights), "sequence", source="clip")

  model = Multimodal(weights).eval()
  halve(model)
  missing, extra = model.load_state_dict(weights, strict=False)
  buffers = ["context_length", "input_resolution", "vocab_size"]
  assert sorted(missing) == buffers and not extra, (missing, extra)
  generator = torch.Generator().manual_seed(SEED + 2)
  image = draw(generator, (2, 3, CLIP_IMAGE, CLIP_IMAGE), spread=0.8)
  text = torch.randint(VOCABULARY, (2, CLIP_TEXT), generator=generator)
  program = torch.jit.trace_module(
    model, {"forward": (image, text), "encode_image": image, "encode_text": text},
    check_trace=False)
  data = io.BytesIO()
  torch.jit.save(program, data)
  path = FOLDER / "clip.pt"
  path.write_bytes(archive_of_2021(data.getvalue()))

  found = texts(path)
  assert "cuda:0" in found and "cpu" not in found
  loaded = torch.jit.load(path, map_location="cpu").eval()
  back = loaded.state_dict()
  assert sorted(back) == sorted([*weights, *buffers])
  for name, value in model.state_dict().items():
    assert same(value, back[name]), name
    if name in weights:
      assert same(weights[name].to(value.dtype), back[name]), name
  assert same(model(image, text)[0], loaded(image, text)[0])
  assert same(model.encode_text(text), loaded.encode_text(text))
  describe("clip.pt", "clip", "torchscript", back, location="cuda:0", source="clip",
           buffers=buffers)


# MARK: UNIMO


def varint(number):
  result = b""
  while number > 127:
    result += bytes([number & 127 | 128])
    number >>= 7
  return result + bytes([number])


def paddle(array):
  """One variable: versions, no levels of sequences, and a description before the numbers."""
  fp32 = 5
  description = b"\x08" + varint(fp32) + b"".join(b"\x10" + varint(n) for n in array.shape)
  head = struct.pack("<IQIi", 0, 0, 0, len(description))
  return head + description + np.ascontiguousarray(array, dtype="<f4").tobytes()


def read_paddle(data):
  """Reads a variable by the format's definition, apart from how `paddle` writes it."""
  version, levels = struct.unpack_from("<IQ", data)
  inner, size = struct.unpack_from("<Ii", data, 12)
  assert (version, levels, inner) == (0, 0, 0)
  numbers, number, shift = [], 0, 0
  for byte in data[20 : 20 + size]:
    number |= (byte & 127) << shift
    shift += 7
    if byte < 128:
      numbers.append(number)
      number, shift = 0, 0
  fields = list(zip(numbers[::2], numbers[1::2]))
  assert fields[0] == (1 << 3, 5) and all(tag == 2 << 3 for tag, _ in fields[1:])
  return np.frombuffer(data, "<f4", offset=20 + size).reshape([n for _, n in fields[1:]])


def fc(generator, name, inputs, outputs):
  """Paddle multiplies from the right: weights are [in, out]."""
  return {
    f"{name}.w_0": draw(generator, (inputs, outputs)), f"{name}.b_0": draw(generator, (outputs,)),
  }


def paddle_norm(generator, name):
  return {
    f"{name}_scale": draw(generator, (UNIMO_WIDTH,), 1.0),
    f"{name}_bias": draw(generator, (UNIMO_WIDTH,)),
  }


def make_unimo():
  g, width = torch.Generator().manual_seed(SEED + 3), UNIMO_WIDTH
  weights = {
    "word_embedding": draw(g, (VOCABULARY, width)),
    "pos_embedding": draw(g, (UNIMO_POSITIONS, width)),
    **paddle_norm(g, "pre_encoder_layer_norm"),
    **fc(g, "image_emb", UNIMO_FEATURE, width), **fc(g, "image_loc", 5, width),
    **paddle_norm(g, "v_pre_encoder_layer_norm"),
  }
  for index in range(UNIMO_LAYERS):
    at = f"encoder_layer_{index}"
    for part in ["query", "key", "value", "output"]:
      weights.update(fc(g, f"{at}_multi_head_att_{part}_fc", width, width))
    weights.update(paddle_norm(g, f"{at}_post_att_layer_norm"))
    weights.update(fc(g, f"{at}_ffn_fc_0", width, 4 * width))
    weights.update(fc(g, f"{at}_ffn_fc_1", 4 * width, width))
    weights.update(paddle_norm(g, f"{at}_post_ffn_layer_norm"))
  for part in ["image", "text"]:
    weights.update(fc(g, f"pooled_fc_{part}", width, width))
  weights.update(fc(g, "match_fc", width, 2))
  weights.update(fc(g, "mask_lm_trans_fc", width, width))
  weights.update(paddle_norm(g, "mask_lm_trans_layer_norm"))
  weights["mask_lm_out_fc.b_0"] = draw(g, (VOCABULARY,))

  (FOLDER / "unimo").mkdir()
  for name, value in weights.items():
    path = FOLDER / "unimo" / name
    path.write_bytes(paddle(value.numpy()))
    back = read_paddle(path.read_bytes())
    assert back.shape == tuple(value.shape) and back.tobytes() == bits(value), name
  (FOLDER / "unimo.safetensors").write_bytes(save(dict(sorted(weights.items()))))
  describe("unimo", "unimo", "paddle", weights)

  # Dimensions above 127 take two bytes, as nearly all do in files of the published size.
  long = torch.arange(390.0).view(130, 3)
  path = FOLDER / "paddle-long"
  path.write_bytes(paddle(long.numpy()))
  assert path.read_bytes()[20:25] == b"\x08\x05\x10\x82\x01"
  assert read_paddle(path.read_bytes()).tobytes() == bits(long)
  describe(path.name, "", "paddle", {path.name: long}, shape=list(long.shape))


# MARK: Files to refuse


class Call:
  """Pickled as a call of the system's shell."""

  def __reduce__(self):
    return os.system, (COMMAND,)


def refuse(name, why, **more):
  TOLD[name] = {"refuse": why, **more}


def make_evil():
  value = OrderedDict([("weight", torch.arange(6.0)), ("trap", Call()), ("bias", torch.ones(2))])
  path = FOLDER / "calls-os-system.pth"
  save_sequence(value, path, "cpu")
  # Pickles name the module that a function comes from, "posix"; files made by hand say "os".
  stream = path.read_bytes()
  assert stream.count(b"cposix\nsystem\n") == 1
  path.write_bytes(stream.replace(b"cposix\nsystem\n", b"cos\nsystem\n"))
  torch.save(value, FOLDER / "calls-os-system.zip.pt")
  for name, called in [("calls-os-system.pth", "os system"),
                       ("calls-os-system.zip.pt", "posix system")]:
    path = FOLDER / name
    code = [(op.name, arg) for op, arg, _ in pickletools.genops(pickle_of(path))]
    place = code.index(("GLOBAL", called))
    assert "REDUCE" in [op for op, _ in code[place : place + 8]], name
    try:
      torch.load(path, weights_only=True)
    except pickle.UnpicklingError:
      pass
    else:
      raise AssertionError(f"{name} was read")
    refuse(name, f"calls {called.replace(' ', '.')}")
  assert not Path("evil-was-run").exists()

  path = FOLDER / "bomb.pt"
  with zipfile.ZipFile(path, "w") as archive:
    for name, content in [("data.pkl", pickle.dumps({"weight": bytes(BOMB)}, 3)),
                          ("version", b"3\n")]:
      info = zipfile.ZipInfo(f"bomb/{name}")
      info.compress_type = zipfile.ZIP_DEFLATED
      archive.writestr(info, content, compresslevel=9)
    expanded = archive.getinfo("bomb/data.pkl").file_size
  assert expanded > BOMB and path.stat().st_size < 20_000
  refuse(path.name, "data.pkl expands far beyond its size", expands_to=expanded)


def make_nan():
  """UNITER with one layer and the matching head, as after fine-tuning for retrieval."""
  holes = ["itm_output.bias", "uniter.encoder.layer.0.attention.self.value.weight"]
  weights = {name: value for name, value in source("uniter").items()
             if name.startswith(("uniter.", "itm_output.")) and ".layer.1." not in name}
  weights[holes[0]][1] = float("nan")
  weights[holes[1]][3, 4] = float("nan")
  write("nan.pt", "uniter", weights, "sequence", nan=holes, refuse="two tensors hold NaN")


def main():
  torch.set_num_threads(1)
  shutil.rmtree(FOLDER, ignore_errors=True)
  FOLDER.mkdir()
  for make in [make_vilt, make_vlbert, make_lxmert, make_uniter, make_vilbert, make_visualbert,
               make_bert, make_clip, make_unimo, make_evil, make_nan]:
    make()
  (FOLDER / "originals.json").write_text(json.dumps(TOLD, indent=1) + "\n")
  total = 0
  for path in sorted(FOLDER.iterdir()):
    parts = list(path.iterdir()) if path.is_dir() else [path]
    size = sum(part.stat().st_size for part in parts)
    total += size
    print(f"{size:8} {path.name}")
  print(f"{total:8} in all")
  assert total < LIMIT


if __name__ == "__main__":
  main()
