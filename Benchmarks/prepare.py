"""Makes the weights and inputs of the speed comparison: random, seeded, written once, read by both.
The lines of text are not random: they come from what `tandem data fetch` fetched.

    python Benchmarks/prepare.py [--tiny] [--device cuda]

Writes what is missing in Benchmarks/work (Benchmarks/work/tiny for the tiny form, which only tests
the machinery): a transformers ViLT folder, twelve BERT layers, one file of inputs a case and batch,
pictures, and lines of text with a vocabulary. A GPU has larger batches, and needs no pictures and
lines. Every file appears under its name only when it is whole. Delete the folder after a change to
this script.
"""

import argparse
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from safetensors.numpy import save_file

SEED = 20210514
CLS, SEP, MASK, FIRST_WORD, VOCABULARY = 101, 102, 103, 1000, 30522

# A ViLT text has 40 places, [CLS] and [SEP] among them; a region sequence has at most 56: 36
# regions, [CLS], [SEP] and up to 18 words.
WORD_PLACES = 38
REGIONS, REGION_WORDS = 36, 18
LAYER_PLACES = REGIONS + 2 + REGION_WORDS

# Captions: a log-normal number of words with this mean and spread, within these bounds.
MEAN_WORDS, SPREAD = 12, 0.35
FEWEST_WORDS, MOST_WORDS = 5, WORD_PLACES

WEIGHT_SPREAD = 0.02

# Pictures as a camera's, width and height.
PICTURE = (640, 480)
QUALITY = 90

# Where text comes from: what `tandem data fetch NAME` puts into data/NAME.
DATA = Path(__file__).resolve().parent.parent / "data"
ARTICLES = DATA / "wiki-extracts" / "en.json"
VOCABULARY_FILE = DATA / "bert-base-uncased" / "vocab.txt"


@dataclass(frozen=True)
class Size:
    """The dimensions of the models, the lines of text, and the batches of every case's rows."""

    width: int
    layers: int
    heads: int
    ffn: int
    image: int
    patch: int
    lines: int
    batches: dict
    gpu_batches: dict

    def rows(self, device):
        """The batches of every case that has rows on the device."""
        return self.gpu_batches if device == "cuda" else self.batches


# The batch of decode is the number of pictures; wordpiece takes all lines at once.
FULL = Size(
    width=768,
    layers=12,
    heads=12,
    ffn=3072,
    image=384,
    patch=32,
    lines=5000,
    batches={
        "inference": [1, 8],
        "mlm": [8],
        "pretrain": [32],
        "layers": [16],
        "decode": [32],
        "wordpiece": [1],
    },
    gpu_batches={"inference": [1, 8, 64], "mlm": [8, 64], "pretrain": [32], "layers": [16]},
)
TINY = Size(
    width=64,
    layers=2,
    heads=2,
    ffn=128,
    image=96,
    patch=32,
    lines=100,
    batches={
        "inference": [1, 2],
        "mlm": [2],
        "pretrain": [4],
        "layers": [2],
        "decode": [4],
        "wordpiece": [1],
    },
    gpu_batches={"inference": [1, 2, 4], "mlm": [2, 4], "pretrain": [4], "layers": [2]},
)


def generator(name):
    """A random stream of its own for every file, so that none depends on which others exist."""
    return np.random.default_rng([SEED, *name.encode()])


def write(path, make):
    """Writes the file that `make` puts at the path it is given, unless it is there already."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name("partial-" + path.name)
    make(partial)
    partial.rename(path)


# The weights


def random_weights(random, shapes):
    """Normal weights and biases; the scales of the norms are around 1. Nothing is exactly 0."""
    weights = {}
    for name, shape in sorted(shapes.items()):
        weights[name] = random.normal(0, WEIGHT_SPREAD, shape).astype(np.float32)
        if "layernorm" in name.lower() and name.endswith(".weight"):
            weights[name] += 1
    return weights


def vilt_config(size):
    from transformers import ViltConfig

    config = ViltConfig(
        architectures=["ViltForMaskedLM"],
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.ffn,
        image_size=size.image,
        patch_size=size.patch,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.0,
    )
    config.tie_word_embeddings = False  # the class insists on True when it is made or read
    return config


def bert_config(size):
    from transformers import BertConfig

    return BertConfig(
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.ffn,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
    )


def shapes_of(model_class, config):
    """Name and shape of each tensor in the model's file, without making the tensors."""
    import torch

    with torch.device("meta"):
        return {name: tuple(x.shape) for name, x in model_class(config).state_dict().items()}


def save_vilt(size, path):
    """The decoder has weights of its own, as in the published checkpoint. When it loads a file with
    both, transformers ties the decoder to the word table only if the two are equal."""
    from transformers import ViltForMaskedLM

    shapes = shapes_of(ViltForMaskedLM, vilt_config(size))
    save_file(random_weights(generator("vilt"), shapes), path, metadata={"format": "pt"})


def save_matching_head(size, path):
    shapes = {"itm_score.fc.weight": (2, size.width), "itm_score.fc.bias": (2,)}
    save_file(random_weights(generator("heads"), shapes), path)


def save_layers(size, path):
    from transformers.models.bert.modeling_bert import BertEncoder

    shapes = shapes_of(BertEncoder, bert_config(size))
    save_file(random_weights(generator("bert"), shapes), path)


# The inputs


def caption_lengths(random, count):
    """The distribution's quantiles in random order, so that a small batch has its mean too."""
    normal = NormalDist(math.log(MEAN_WORDS) - SPREAD**2 / 2, SPREAD)
    lengths = [round(math.exp(normal.inv_cdf((i + 0.5) / count))) for i in range(count)]
    return random.permutation(np.clip(lengths, FEWEST_WORDS, MOST_WORDS)).astype(np.int64)


def random_words(random, lengths):
    words = random.integers(FIRST_WORD, VOCABULARY, (len(lengths), WORD_PLACES))
    return np.where(np.arange(WORD_PLACES) < lengths[:, None], words, 0)


def mask_words(random, words, lengths, counts):
    """Hides some words of each sequence. Returns (sequence, place, label) rows and the words with
    [MASK] at those places."""
    masked, hidden = [], words.copy()
    for sequence, (length, count) in enumerate(zip(lengths, counts)):
        for place in sorted(random.permutation(length)[:count]):
            masked.append((sequence, place, words[sequence, place]))
            hidden[sequence, place] = MASK
    return np.array(masked, np.int64), hidden


def save_pairs(case, batch, size, path):
    """Pictures and captions of a ViLT case."""
    random = generator(f"{case}-{batch}")
    pictures = (batch, size.image, size.image, 3)
    inputs = {"pixels": random.integers(0, 256, pictures, dtype=np.uint8)}
    if case == "pretrain":
        lengths = caption_lengths(random, batch)
    else:
        lengths = np.full(batch, MEAN_WORDS, np.int64)
    inputs["lengths"] = lengths
    inputs["words"] = random_words(random, lengths)
    if case != "inference":
        counts = np.maximum(1, np.round(0.15 * lengths)).astype(np.int64)  # 2 of 12
        inputs["masked"], inputs["masked_words"] = mask_words(
            random, inputs["words"], lengths, counts
        )
    if case == "pretrain":
        # Half the texts keep their picture; each other one gets the picture of another pair.
        match = random.permutation(np.arange(batch) % 2)
        others = (np.arange(batch) + random.integers(1, batch, batch)) % batch
        inputs["match"] = match
        inputs["picture"] = np.where(match == 1, np.arange(batch), others)
    save_file(inputs, path)


def save_rows(batch, size, path):
    """Rows of region sequences, end to end."""
    random = generator(f"layers-{batch}")
    lengths = REGIONS + 2 + np.minimum(caption_lengths(random, batch), REGION_WORDS)
    rows = random.standard_normal((lengths.sum(), size.width), np.float32)
    save_file({"rows": rows, "lengths": lengths}, path)


# Pictures and lines, for the rows about loading


def smooth_field(random, scale):
    """Random values that change over about `scale` pixels."""
    from PIL import Image

    width, height = PICTURE
    grid = random.standard_normal((height // scale + 3, width // scale + 3)).astype(np.float32)
    # The picture starts inside the grid, so that its border is like its middle.
    box = (1, 1, 1 + width / scale, 1 + height / scale)
    return np.asarray(Image.fromarray(grid).resize(PICTURE, Image.Resampling.BICUBIC, box=box))


def texture(random, detail):
    """Brightness whose spread falls with the size of the details, as in photographs, where the
    amplitude goes down with the frequency; `detail` is the strength of the finest ones."""
    scales = [160, 80, 40, 20, 10, 5]
    field = sum((scale / 160) ** 0.6 * 34 * smooth_field(random, scale) for scale in scales)
    return field + detail * 9 * smooth_field(random, 2)


def random_shape(random):
    """A mask with hard edges: the end of a beam, or an ellipse, anywhere in the picture."""
    width, height = PICTURE
    y, x = np.mgrid[:height, :width]
    x = x - random.uniform(0.1, 0.9) * width
    y = y - random.uniform(0.1, 0.9) * height
    angle = random.uniform(0, 2 * np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    if random.random() < 0.4:
        return (along > 0) & (np.abs(across) < random.uniform(20, 200))
    return (along / random.uniform(25, 160)) ** 2 + (across / random.uniform(25, 160)) ** 2 < 1


def save_picture(place, path):
    """A JPEG that costs what a photograph costs. Much of a decoder's time goes into the entropy
    code and grows with the length of the file, so the file must be as long as a camera's at this
    size and quality, 60 to 150 kB, and its energy must lie in the same frequencies: noise alone
    makes 276 kB, a gradient 15 kB, and both would measure what no user has. Hence brightness and
    slower, weaker colours at several scales, objects with hard edges that have a brightness, colour
    and texture of their own, and a sensor's mild noise."""
    from PIL import Image

    random = generator(f"picture-{place}")
    detail = random.uniform(0.2, 4)

    def surface():
        colour = [8 * smooth_field(random, 80) + random.normal(0, 14) for _ in range(2)]
        return np.stack([texture(random, detail) + random.normal(128, 25), *colour], axis=-1)

    scene = surface()
    for _ in range(random.integers(4, 12)):
        scene = np.where(random_shape(random)[..., None], surface(), scene)
    scene[..., 0] += random.normal(0, random.uniform(1, 2.5), scene.shape[:2])
    scene[..., 1:] += 128
    pixels = np.clip(np.round(scene), 0, 255).astype(np.uint8)
    picture = Image.merge("YCbCr", [Image.fromarray(pixels[..., band]) for band in range(3)])
    picture.convert("RGB").save(path, "JPEG", quality=QUALITY, subsampling="4:2:0")


def save_lines(count, path):
    """The first lines of the English articles that are not blank. Only a line feed ends a line."""
    articles = json.loads(ARTICLES.read_text(encoding="utf-8"))
    lines = [line for article in articles.values() for line in article["extract"].split("\n")]
    lines = [line for line in lines if line.strip()][:count]
    path.write_bytes("".join(line + "\n" for line in lines).encode())


def missing_data(folder):
    """The data sets to fetch before `prepare` can write the lines and their vocabulary."""
    sources = {"lines.txt": ARTICLES, "vocab.txt": VOCABULARY_FILE}
    return [
        source.parent.name
        for name, source in sources.items()
        if not (folder / name).exists() and not source.exists()
    ]


def prepare(folder, tiny=False, device="cpu", cases=None):
    """Writes what the device's rows, or those of some cases, need and the folder lacks, apart from
    text whose data set is missing."""
    size = TINY if tiny else FULL
    rows = size.rows(device)
    if cases is not None:
        rows = {case: batches for case, batches in rows.items() if case in cases}
    write(folder / "vilt" / "config.json", lambda path: vilt_config(size).to_json_file(path))
    write(folder / "vilt" / "model.safetensors", lambda path: save_vilt(size, path))
    write(folder / "vilt" / "heads.safetensors", lambda path: save_matching_head(size, path))
    write(folder / "bert" / "config.json", lambda path: bert_config(size).to_json_file(path))
    write(folder / "bert" / "layers.safetensors", lambda path: save_layers(size, path))
    for case, batches in rows.items():
        for batch in batches:
            path = folder / f"{case}-{batch}.safetensors"
            if case == "layers":
                write(path, lambda path: save_rows(batch, size, path))
            elif case == "decode":
                for place in range(batch):
                    picture = folder / "pictures" / f"{place:02}.jpg"
                    write(picture, lambda path: save_picture(place, path))
            elif case != "wordpiece":
                write(path, lambda path: save_pairs(case, batch, size, path))
    if "wordpiece" not in rows:
        return
    if ARTICLES.exists():
        write(folder / "lines.txt", lambda path: save_lines(size.lines, path))
    if VOCABULARY_FILE.exists():
        write(folder / "vocab.txt", lambda path: shutil.copyfile(VOCABULARY_FILE, path))


def work_folder(tiny=False):
    folder = Path(__file__).resolve().parent / "work"
    return folder / "tiny" if tiny else folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes the weights and inputs of the comparison.")
    parser.add_argument("--tiny", action="store_true", help="small ones, to test the machinery")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="for its rows")
    options = parser.parse_args()
    prepare(work_folder(options.tiny), options.tiny, options.device)
    print(work_folder(options.tiny))
