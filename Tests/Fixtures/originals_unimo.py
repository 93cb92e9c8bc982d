"""UNIMO as published: Paddle's format, which has one file for each variable.

Used by make_originals.py, which calls `make_unimo`.
"""

import struct

import numpy as np
import torch
from originals_files import FOLDER, SEED, VOCABULARY, bits, describe, draw
from safetensors.torch import save

UNIMO_WIDTH, UNIMO_LAYERS, UNIMO_FEATURE, UNIMO_POSITIONS = 16, 2, 10, 14


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
