"""CLIP as published: its weights alone, and the program in an archive of TorchScript as of 2021.

Used by make_originals.py, which calls `make_clip`.
"""

import io
import struct
import zipfile
from collections import OrderedDict

import torch
from originals_files import (
  FOLDER, SEED, VOCABULARY, describe, draw, same, source, state, texts, write,
)
from torch import nn

CLIP_HEADS, CLIP_IMAGE, CLIP_PATCH, CLIP_TEXT = 4, 24, 8, 12


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
