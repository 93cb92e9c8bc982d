"""Reads region files that TandemRegions wrote, as the published code reads them.

    venv/bin/pip install numpy==2.4.6 lmdb==3.0.0 msgpack==1.2.4 msgpack-numpy==0.4.8
    .build/release/RegionsProbe export FOLDER
    venv/bin/python Tests/Fixtures/check_regions.py FOLDER

`export` converts the fixtures to every format; this compares them with expected.json.
"""

import base64
import io
import json
import pickle
import sys
import zipfile
from pathlib import Path

import lmdb
import msgpack
import msgpack_numpy
import numpy as np

msgpack_numpy.patch()
FIXTURES = Path(__file__).parent / "regions"


def floats(text, rows):
    return np.frombuffer(base64.b64decode(text), np.float32).reshape(rows, -1)


def same(found, expected):
    assert np.array_equal(np.asarray(found).flatten(), np.asarray(expected, found.dtype)), (
        found, expected)


def main(folder):
    pictures = {p["id"]: p for p in json.loads((FIXTURES / "expected.json").read_text())}

    def database(name):
        return lmdb.open(str(folder / name), readonly=True, create=False, lock=False).begin(
            buffers=True)

    txn = database("volta")
    keys = pickle.loads(txn.get(b"keys"))
    assert keys == [name.encode() for name in pictures], keys
    for key in keys:
        item, p = pickle.loads(txn.get(key)), pictures[key.decode()]
        assert (int(item["img_w"]), int(item["img_h"])) == (p["w"], p["h"])
        same(floats(item["features"], p["n"]), p["features"])
        same(floats(item["boxes"], p["n"]), p["boxes"])
        same(floats(item["cls_prob"], p["n"]), p["probs"])

    counts = json.loads((folder / "nbb_th0.2_max100_min10.json").read_text())
    for name in ["feat_th0.2_max100_min10", "feat_th0.2_max100_min10_compressed"]:
        txn = database(name)
        keys = json.loads(bytes(txn.get(b"__keys__")).decode("utf-8"))
        assert keys == [name + ".npz" for name in pictures], keys
        for key in keys:
            dump, p = txn.get(key.encode()), pictures[key[:-4]]
            if name.endswith("compressed"):
                dump = dict(np.load(io.BytesIO(dump), allow_pickle=True))
            else:
                dump = msgpack.loads(dump, raw=False)
            assert counts[key] == p["n"] == len(dump["features"])
            assert dump["features"].dtype == np.float16 and dump["norm_bb"].shape == (p["n"], 6)
            same(dump["features"], p["features"])
            same(dump["soft_labels"], np.float16(p["probs"]))
            boxes = np.float32(p["boxes"]).reshape(-1, 4) / np.float32([p["w"], p["h"]] * 2)
            same(dump["norm_bb"][:, :4], np.float16(boxes).flatten())

    archive = zipfile.ZipFile(folder / "vlbert.zip")
    assert archive.testzip() is None
    for name, p in pictures.items():
        item = json.loads(archive.read(name + ".json"))
        assert (item["image_w"], item["image_h"], item["num_boxes"]) == (p["w"], p["h"], p["n"])
        same(floats(item["features"], p["n"]), p["features"])
        same(floats(item["classes"], p["n"]), p["probs"])

    lines = (folder / "caption.txt").read_text().splitlines()
    for line, p in zip(lines, pictures.values(), strict=True):
        fields = line.split(";")
        assert len(fields) == 16 and fields[0] == p["id"]
        assert (int(fields[8]), int(fields[9]), int(fields[10])) == (p["h"], p["w"], p["n"])
        same(floats(fields[11], p["n"]), p["boxes"])
        same(floats(fields[14], p["n"]), p["features"])
    print("all as expected")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
