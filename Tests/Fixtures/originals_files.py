"""Files of PyTorch as make_originals.py writes them: the containers, reading back, what is told.

Used by make_originals.py, originals_clip.py and originals_unimo.py. `write` makes a file and checks
it, and `describe` puts its description into TOLD, which becomes originals.json.
"""

import contextlib
import io
import pickle
import pickletools
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parent
FOLDER = ROOT / "originals"
SEED = 20181011
VOCABULARY = 40

TOLD = {}
TYPES = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}


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
