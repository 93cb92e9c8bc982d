"""Makes the fixtures of TandemImageTests: small pictures and what a reference library sees in them.

Pinned: Python 3.11, Pillow 12.3.0 (libjpeg-turbo 3.1.4.1, libwebp 1.6.0), numpy 2.4.6.
    pip install pillow==12.3.0 numpy==2.4.6
Pillow 13 shrinks some pictures along columns first, which changes pixels by a few steps; every
version before it goes along rows first, and so do published results and this project.
Run, from the root of the package:
    python Tests/Fixtures/make_image.py

Writes Tests/Fixtures/image/: the pictures, and expected.json, which holds for each picture, each
resize and each augmentation the pixels that Pillow gives (RGB, base64). Where Pillow loses
information (16-bit grey is clipped, not scaled) the expected pixels are computed here instead.
"""

import base64
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

FOLDER = Path(__file__).parent / "image"
FOLDER.mkdir(exist_ok=True)
for old in FOLDER.iterdir():
    old.unlink()

rng = np.random.default_rng(20240611)
expected = {"decode": [], "resize": [], "augment": []}


def entry(image, **fields):
    image = np.asarray(image.convert("RGB")) if isinstance(image, Image.Image) else image
    image = np.ascontiguousarray(image, dtype=np.uint8)
    height, width, _ = image.shape
    pixels = base64.b64encode(image.tobytes()).decode()
    return {"width": width, "height": height, "pixels": pixels, **fields}


def picture(width, height, noise=25):
    """Smooth colours, edges and noise."""
    y, x = np.mgrid[0:height, 0:width]
    red = 128 + 110 * np.sin(x / 4 + y / 9)
    green = 255 * x / width
    blue = 128 + 90 * np.cos(x / 7 - y / 3)
    array = np.stack([red, green, blue], -1) + rng.normal(0, noise, (height, width, 3))
    array[height // 3 : height // 2, width // 4 : width // 2] = [250, 20, 40]
    return np.clip(array, 0, 255).astype(np.uint8)


def over_white(image):
    """Pillow's own blending: paste through the alpha channel."""
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=image.getchannel("A"))
    return white


def decoded(name, image=None):
    """Notes what Pillow reads from a file just written, upright and over white."""
    if image is None:
        image = Image.open(FOLDER / name)
        image = ImageOps.exif_transpose(image)
        has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
        image = over_white(image) if has_alpha else image
    expected["decode"].append(entry(image, file=name))


# --- JPEG ---------------------------------------------------------------------------------------

base = picture(37, 29)
photo = Image.fromarray(base)
for name, subsampling in [("444", 0), ("422", 1), ("420", 2)]:
    photo.save(FOLDER / f"jpeg-{name}.jpg", quality=85, subsampling=subsampling)
    decoded(f"jpeg-{name}.jpg")
photo.save(FOLDER / "jpeg-progressive.jpg", quality=70, progressive=True)
decoded("jpeg-progressive.jpg")
photo.save(FOLDER / "jpeg-restart.jpg", quality=60, restart_marker_blocks=1)
decoded("jpeg-restart.jpg")
photo.convert("L").save(FOLDER / "jpeg-grey.jpg", quality=80)
decoded("jpeg-grey.jpg")
inks = Image.fromarray(np.dstack([base, picture(37, 29)[..., 0] // 2]), mode="CMYK")
inks.save(FOLDER / "jpeg-cmyk.jpg", quality=85)
decoded("jpeg-cmyk.jpg")
# The same coded data, marked as YCCK: the last byte of Adobe's segment is the transform.
data = bytearray((FOLDER / "jpeg-cmyk.jpg").read_bytes())
data[data.index(b"Adobe") + 11] = 2
(FOLDER / "jpeg-ycck.jpg").write_bytes(data)
decoded("jpeg-ycck.jpg")
small = Image.fromarray(picture(20, 11))
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    name = f"jpeg-orientation-{orientation}.jpg"
    small.save(FOLDER / name, quality=60, subsampling=0, exif=exif)
    decoded(name)

# --- PNG ----------------------------------------------------------------------------------------


def chunk(name, data):
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def packed_rows(samples, depth):
    """Filter byte 0 and the samples of each row, `depth` bits each, high bits first."""
    rows = b""
    for row in samples.reshape(samples.shape[0], -1):
        if depth == 16:
            rows += b"\0" + row.astype(">u2").tobytes()
        else:
            bits = (row[:, None] >> np.arange(depth - 1, -1, -1)) & 1
            rows += b"\0" + np.packbits(bits.astype(np.uint8)).tobytes()
    return rows


def png(name, samples, depth, color, interlaced=False, extra=b"", after=b""):
    """`samples` [height, width, channels]; `color` is the PNG colour type."""
    height, width = samples.shape[:2]
    if interlaced:
        adam7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
                 (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        passes = [samples[y::dy, x::dx] for x, y, dx, dy in adam7]
        data = b"".join(packed_rows(part, depth) for part in passes if part.size)
    else:
        data = packed_rows(samples, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    (FOLDER / name).write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
        + chunk(b"IDAT", zlib.compress(data, 9)) + after + chunk(b"IEND", b""))


wide = rng.integers(0, 65536, (9, 13, 4))
color = picture(13, 9)
alpha = rng.integers(0, 256, (9, 13, 1))
alpha[0, :4, 0] = [0, 255, 1, 254]
for depth in (1, 2, 4, 8):
    for interlaced in (False, True):
        name = f"png-grey{depth}{'-interlaced' if interlaced else ''}.png"
        png(name, color[..., :1] >> (8 - depth), depth, 0, interlaced)
        decoded(name)
png("png-grey16.png", wide[..., :1], 16, 0)
decoded("png-grey16.png", np.repeat(wide[..., :1] >> 8, 3, -1))
for interlaced in (False, True):
    suffix = "-interlaced" if interlaced else ""
    png(f"png-rgb8{suffix}.png", color, 8, 2, interlaced)
    decoded(f"png-rgb8{suffix}.png")
    png(f"png-rgba8{suffix}.png", np.dstack([color, alpha]), 8, 6, interlaced)
    decoded(f"png-rgba8{suffix}.png")
png("png-rgb16.png", wide[..., :3], 16, 2)
decoded("png-rgb16.png")
png("png-greyalpha8.png", np.dstack([color[..., :1], alpha]), 8, 4)
decoded("png-greyalpha8.png")
png("png-greyalpha16.png", wide[..., :2], 16, 4)
decoded("png-greyalpha16.png")
png("png-rgba16.png", wide, 16, 6)
decoded("png-rgba16.png")
png("png-grey8-trns.png", color[..., :1] & 0xF0, 8, 0,
    extra=chunk(b"tRNS", struct.pack(">H", int(color[4, 4, 0]) & 0xF0)))
decoded("png-grey8-trns.png")
png("png-rgb8-trns.png", color & 0x80, 8, 2, extra=chunk(b"tRNS", struct.pack(">HHH", 128, 0, 0)))
decoded("png-rgb8-trns.png")
for depth in (1, 2, 4, 8):
    palette = rng.integers(0, 256, (1 << depth, 3)).astype(np.uint8)
    extra = chunk(b"PLTE", palette.tobytes())
    indices = rng.integers(0, 1 << depth, (9, 13, 1))
    png(f"png-palette{depth}.png", indices, depth, 3, extra=extra)
    decoded(f"png-palette{depth}.png")
    if depth == 4:
        extra += chunk(b"tRNS", bytes([0, 128, 255, 7]))
        png("png-palette4-trns.png", indices, depth, 3, True, extra)
        decoded("png-palette4-trns.png")
orientation6 = struct.pack(">2sHI", b"MM", 42, 8) + struct.pack(">HHHIHHI", 1, 0x112, 3, 1, 6, 0, 0)
png("png-exif6.png", color, 8, 2, extra=chunk(b"eXIf", orientation6))
decoded("png-exif6.png")
png("png-exif6-after.png", color, 8, 2, after=chunk(b"eXIf", orientation6))
decoded("png-exif6-after.png", np.rot90(color, -1))

# --- WebP ---------------------------------------------------------------------------------------

with_alpha = Image.fromarray(np.dstack([color, alpha]).astype(np.uint8))
photo.save(FOLDER / "webp-lossy.webp", quality=75)
Image.fromarray(color).save(FOLDER / "webp-lossless.webp", lossless=True)
with_alpha.save(FOLDER / "webp-lossy-alpha.webp", quality=75)
with_alpha.save(FOLDER / "webp-lossless-alpha.webp", lossless=True, exact=True)
exif = Image.Exif()
exif[0x0112] = 6
Image.fromarray(color).save(FOLDER / "webp-exif6.webp", lossless=True, exif=exif)
for name in ("lossy", "lossless", "lossy-alpha", "lossless-alpha", "exif6"):
    decoded(f"webp-{name}.webp")
Image.fromarray(color).save(
    FOLDER / "refused-animated.webp", save_all=True, append_images=[Image.fromarray(255 - color)])

# --- Not pictures, or too large -----------------------------------------------------------------

(FOLDER / "refused-empty.jpg").write_bytes(b"")
(FOLDER / "refused-text.jpg").write_text("This is a text file with the name of a picture.\n")
header = struct.pack(">IIBBBBB", 30000, 20000, 8, 2, 0, 0, 0)
(FOLDER / "refused-huge.png").write_bytes(
    b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"\x78\x9c"))
data = bytearray((FOLDER / "jpeg-grey.jpg").read_bytes())
frame = data.index(b"\xff\xc0")
data[frame + 5 : frame + 9] = struct.pack(">HH", 60000, 60000)
(FOLDER / "refused-huge.jpg").write_bytes(data)
data = bytearray((FOLDER / "webp-exif6.webp").read_bytes())
data[24:30] = b"\xff\xff\x00\xff\xff\x00"
(FOLDER / "refused-huge.webp").write_bytes(data)

# --- Resizing -----------------------------------------------------------------------------------

source = Image.fromarray(picture(31, 23, noise=60))
source.save(FOLDER / "source.png")
for filter in ("bilinear", "bicubic"):
    for size in [(16, 12), (40, 37), (31, 9), (7, 23), (5, 48), (1, 1), (62, 1), (30, 24)]:
        result = source.resize(size, getattr(Image.Resampling, filter.upper()))
        expected["resize"].append(entry(result, filter=filter))

# --- Augmentation -------------------------------------------------------------------------------

# Low contrast, so that stretching and equalising have something to do.
subject = Image.fromarray((picture(24, 17) * [0.6, 0.5, 0.4] + [60, 20, 90]).astype(np.uint8))
subject.save(FOLDER / "subject.png")


def affine(*matrix):
    return lambda: subject.transform(subject.size, Image.Transform.AFFINE, matrix)


def solarize_add(addition):
    array = np.clip(np.asarray(subject).astype(int) + addition, 0, 255).astype(np.uint8)
    return ImageOps.solarize(Image.fromarray(array), 128)


cases = [("autoContrast", 0, lambda: ImageOps.autocontrast(subject)),
         ("equalize", 0, lambda: ImageOps.equalize(subject))]
for v in (9, -9, 30, -17.3, 90, 180, 200, -90):
    cases.append(("rotate", v, lambda v=v: subject.rotate(v)))
for v in (1.2, 4, 8):
    cases.append(("posterize", v, lambda v=v: ImageOps.posterize(subject, max(1, int(v)))))
for v in (0, 76.8, 128, 256):
    cases.append(("solarize", v, lambda v=v: ImageOps.solarize(subject, v)))
for v in (0, 33, 110):
    cases.append(("solarizeAdd", v, lambda v=v: solarize_add(v)))
for name in ("color", "contrast", "brightness", "sharpness"):
    for v in (0, 0.1, 0.64, 1, 1.9):
        enhance = getattr(ImageEnhance, name.capitalize())
        cases.append((name, v, lambda v=v, enhance=enhance: enhance(subject).enhance(v)))
for v in (0.09, -0.09, 0.3):
    cases.append(("shearX", v, affine(1, v, 0, 0, 1, 0)))
    cases.append(("shearY", v, affine(1, 0, 0, v, 1, 0)))
for v in (3, -3.5, 100):
    cases.append(("translateX", v, affine(1, 0, v, 0, 1, 0)))
    cases.append(("translateY", v, affine(1, 0, 0, 0, 1, v)))
for operation, magnitude, make in cases:
    expected["augment"].append(entry(make(), operation=operation, magnitude=magnitude))

# One record a line, so that a change shows as a change of a line.
lines = [f'"{key}": [\n' + ",\n".join(json.dumps(v) for v in values) + "\n]"
         for key, values in expected.items()]
(FOLDER / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
