#!/bin/sh
# Makes Tests/Fixtures/run-v1: a tiny finished run as this version writes it, which later versions
# must open. Made with tandem 0.1.0 and libtorch 2.13.0; python3 (any) writes the pictures. Run it
# from the root of the package, after `swift build -c release`:
#
#   sh Tests/Fixtures/make_run.sh
#
# The run learns the colour of a square; Tests/EndToEndTests/FixtureRunTests.swift compares the
# answers it gives with answers.jsonl.
set -eu
root=Tests/Fixtures/run-v1
tandem=${TANDEM_BINARY:-.build/release/tandem}
rm -rf "$root"
mkdir -p "$root/data/pictures"

python3 - "$root" <<'PYTHON'
import json
import struct
import sys
import zlib

root = sys.argv[1]
colours = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220)}
names = list(colours)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(path, pixel):
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(16)) for y in range(16))
    with open(path, "wb") as file:
        file.write(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 9))
            + chunk(b"IEND", b""))


for split, places in [("train", range(12)), ("validation", range(12, 15)), ("test", range(15, 21))]:
    with open(f"{root}/data/{split}.jsonl", "w") as table:
        for place in places:
            name, left, top = names[place % 3], place % 4, place // 4
            inside = lambda x, y: left <= x < left + 12 and top <= y < top + 11
            png(f"{root}/data/pictures/{place}.png",
                lambda x, y: colours[name] if inside(x, y) else (128, 128, 128))
            table.write(json.dumps({
                "image": f"pictures/{place}.png", "question": "what colour is the square",
                "answer": name}) + "\n")

words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *names, "what", "colour", "is", "the", "square"]
words += [chr(letter) for letter in range(ord("a"), ord("z") + 1)] + ["##s", "##ed", "?", ".", ","]
with open(f"{root}/vocabulary.txt", "w") as file:
    file.write("\n".join(words) + "\n")
with open(f"{root}/recipe.json", "w") as file:
    json.dump({
        "name": "fixture/run-v1", "summary": "the colour of a square", "stage": "finetune",
        "model": {"name": "vilt", "preset": "tiny", "config": {
            "vocabulary": len(words), "layers": 1, "width": 16, "feedForward": 32, "patchSize": 8, "grid": 2,
            "shorterSide": 16, "dropout": 0}},
        "data": {
            "dataset": "table", "root": f"{root}/data", "vocabulary": f"{root}/vocabulary.txt"},
        "objectives": [{"name": "vqa"}], "steps": 80, "batch": {"examples": 6},
        "optimizer": {"learningRate": 0.01, "averaging": 0.9},
        "compute": {"threads": 1, "linearKernel": "plain"},
    }, file, indent=2)
    file.write("\n")
PYTHON

"$tandem" finetune "$root/recipe.json" --output "$root/run"
"$tandem" predict "$root/run" --input "$root/data/test.jsonl" --output "$root/answers.jsonl"
# Curves are not what the fixture is for, and their files are named after this machine.
rm -rf "$root/run/events"
du -sb "$root"
