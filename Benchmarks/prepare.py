"""Makes the weights and inputs of the speed comparison: random, seeded, written once, read by both.

    python Benchmarks/prepare.py [--tiny]

Writes what is missing in Benchmarks/work (Benchmarks/work/tiny for the tiny form, which only tests
the machinery): a transformers ViLT folder, twelve BERT layers, and one file of inputs a case. Every
file appears under its name only when it is whole. Delete the folder after a change to this script.
"""

import argparse
import math
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


@dataclass(frozen=True)
class Size:
    """The dimensions of the models, and the batch of every case's rows."""

    width: int
    layers: int
    heads: int
    ffn: int
    image: int
    patch: int
    batches: dict


FULL = Size(
    768, 12, 12, 3072, 384, 32, {"inference": [1, 8], "mlm": [8], "pretrain": [32], "layers": [16]}
)
TINY = Size(
    64, 2, 2, 128, 96, 32, {"inference": [1, 2], "mlm": [2], "pretrain": [4], "layers": [2]}
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


def prepare(folder, tiny=False):
    """Writes what is missing in the folder."""
    size = TINY if tiny else FULL
    write(folder / "vilt" / "config.json", lambda path: vilt_config(size).to_json_file(path))
    write(folder / "vilt" / "model.safetensors", lambda path: save_vilt(size, path))
    write(folder / "vilt" / "heads.safetensors", lambda path: save_matching_head(size, path))
    write(folder / "bert" / "config.json", lambda path: bert_config(size).to_json_file(path))
    write(folder / "bert" / "layers.safetensors", lambda path: save_layers(size, path))
    for case, batches in size.batches.items():
        for batch in batches:
            path = folder / f"{case}-{batch}.safetensors"
            if case == "layers":
                write(path, lambda path: save_rows(batch, size, path))
            else:
                write(path, lambda path: save_pairs(case, batch, size, path))


def work_folder(tiny=False):
    folder = Path(__file__).resolve().parent / "work"
    return folder / "tiny" if tiny else folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes the weights and inputs of the comparison.")
    parser.add_argument("--tiny", action="store_true", help="small ones, to test the machinery")
    tiny = parser.parse_args().tiny
    prepare(work_folder(tiny), tiny)
    print(work_folder(tiny))
