"""Makes Tests/Fixtures/scenes: small cut-outs, and what Pillow makes of them.

Pinned: Pillow 13.0.0, numpy 2.4.6. Run in this folder: python make_scenes.py
"""

import base64
import json
import math
import pathlib

import numpy
from PIL import Image, ImageDraw

OUT = pathlib.Path(__file__).parent / "scenes"
OUT.mkdir(exist_ok=True)
rng = numpy.random.default_rng(7)


def shape(kind, color):
    """A 56 by 48 cut-out, drawn at four times the size for soft edges."""
    big = Image.new("RGBA", (224, 192), (0, 0, 0, 0))
    draw = ImageDraw.Draw(big)
    light = tuple(min(255, c + 70) for c in color)
    if kind == "disc":
        draw.ellipse((20, 8, 200, 188), fill=color, outline=light, width=16)
    elif kind == "bar":
        draw.rectangle((8, 72, 216, 120), fill=color)
        draw.rectangle((60, 72, 100, 120), fill=light)
    elif kind == "ring":
        draw.ellipse((12, 4, 196, 188), outline=color, width=44)
    elif kind == "cross":
        draw.rectangle((88, 4, 136, 188), fill=color)
        draw.rectangle((12, 72, 212, 120), fill=light)
    elif kind == "arrow":
        draw.polygon([(8, 96), (120, 8), (120, 64), (216, 64), (216, 128), (120, 128), (120, 184)],
                     fill=color)
    else:
        draw.polygon([(112, 4), (220, 188), (4, 188)], fill=color, outline=light)
    return big.resize((56, 48), Image.BOX)


COLORS = [(200, 30, 30), (40, 160, 40), (40, 70, 210), (230, 200, 40), (120, 120, 120), (90, 60, 30)]
for kind in ["disc", "bar", "ring", "cross", "arrow", "hill"]:
    for index, color in enumerate(COLORS):
        shape(kind, color).save(OUT / f"{kind}-{index}.png")

# Pixel formats, each with the premultiplied bytes it must give.
formats = {}
base = rng.integers(0, 256, (5, 7, 4), dtype=numpy.uint8)
variants = {
    "rgba": Image.fromarray(base, "RGBA"),
    "rgb": Image.fromarray(base[..., :3].copy(), "RGB"),
    "grey": Image.fromarray(base[..., 0].copy(), "L"),
    "grey-alpha": Image.fromarray(base[..., :2].copy(), "LA"),
}
palette = Image.fromarray(base[..., 0] % 4, "P")
palette.putpalette([10, 20, 30, 200, 100, 50, 0, 255, 0, 255, 255, 255])
palette.info["transparency"] = bytes([255, 128, 0, 77])
variants["palette"] = palette


def premultiplied(image):
    pixels = numpy.asarray(image.convert("RGBA")).astype(int)
    alpha = pixels[..., 3:]
    return numpy.concatenate([(pixels[..., :3] * alpha + 127) // 255, alpha], axis=-1)


def encoded(values):
    return base64.b64encode(values.astype(numpy.uint8).tobytes()).decode()


for name, image in variants.items():
    path = OUT / f"format-{name}.png"
    image.save(path, **({"transparency": image.info["transparency"]} if name == "palette" else {}))
    formats[name] = encoded(premultiplied(Image.open(path)))

# One soft cut-out of 48 by 40 pixels, drawn in several poses with Pillow's own resampling.
ys, xs = numpy.mgrid[0:40, 0:48]
soft = numpy.zeros((40, 48, 4), numpy.uint8)
soft[..., 0] = (127 + 120 * numpy.sin(xs / 5.0)).astype(numpy.uint8)
soft[..., 1] = (127 + 120 * numpy.cos(ys / 4.0)).astype(numpy.uint8)
soft[..., 2] = xs * 255 // 47
soft[..., 3] = 255
soft[10:20, 30:40, 3] = 90
soft[:6, :9, 3] = 0
Image.fromarray(soft, "RGBA").save(OUT / "soft.png")
flat = premultiplied(Image.open(OUT / "soft.png")).astype(numpy.uint8)



def averaged(plane, size):
    """The average over the area of each target pixel: differences of the integral of the picture.

    Pillow's BOX is no such average where sides do not divide."""
    for axis, count in ((1, size[0]), (0, size[1])):
        length = plane.shape[axis]
        ends = numpy.arange(count + 1) * length / count
        plane = numpy.apply_along_axis(
            lambda row: numpy.diff(numpy.interp(
                ends, numpy.arange(length + 1), numpy.concatenate([[0.0], numpy.cumsum(row)])))
            * count / length, axis, plane.astype(float))
    return numpy.floor(plane + 0.5).astype(numpy.uint8)


poses = []
for side, turn, mirrored in [(48, 0, False), (48, 0, True), (48, 90, False), (48, 27, True),
                             (45, -14, False), (25, 33, False), (70, 140, True)]:
    scale = side / 48
    factor = 1.0
    while factor / math.sqrt(2) >= scale - 1e-12:  # the smallest level that need not be enlarged
        factor /= math.sqrt(2)
    size = (round(48 * factor), round(40 * factor))
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    width = math.ceil(round(48 * scale * abs(c) + 40 * scale * abs(s), 9)) + 2
    height = math.ceil(round(48 * scale * abs(s) + 40 * scale * abs(c), 9)) + 2
    planes = []
    for channel in range(4):
        level = Image.fromarray(averaged(flat[..., channel], size), "L")
        padded = Image.new("L", (size[0] + 2, size[1] + 2))
        padded.paste(level, (1, 1))
        fx, fy, flip = size[0] / 48, size[1] / 40, -1 if mirrored else 1
        # Target to source: to the middle, turned back, scaled, mirrored, to the level's pixels.
        a, b = flip * c / scale * fx, flip * s / scale * fx
        d, e = -s / scale * fy, c / scale * fy
        cx, cy = size[0] / 2 + 1, size[1] / 2 + 1
        matrix = (a, b, cx - a * width / 2 - b * height / 2, d, e,
                  cy - d * width / 2 - e * height / 2)
        planes.append(numpy.asarray(
            padded.transform((width, height), Image.AFFINE, matrix, Image.BILINEAR)))
    poses.append({"side": side, "turn": turn, "mirrored": mirrored, "width": width,
                  "height": height, "pixels": encoded(numpy.stack(planes, -1))})

(OUT / "expected.json").write_text(json.dumps({"formats": formats, "poses": poses},
                                              separators=(",", ":")) + "\n")
