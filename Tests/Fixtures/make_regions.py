"""Region files as the published code writes them, for the tests of TandemRegions.

    python3.11 -m venv venv
    venv/bin/pip install numpy==2.4.6 lmdb==3.0.0 msgpack==1.2.4 msgpack-numpy==0.4.8
    venv/bin/python Tests/Fixtures/make_regions.py

Every file holds the same three pictures (2, 3 and 1 regions, 8 features, 5 classes); expected.json
holds their numbers. Features are multiples of 1/64, so fp16 holds them exactly.
"""

import base64
import csv
import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import lmdb
import msgpack
import msgpack_numpy
import numpy as np

msgpack_numpy.patch()
OUT = Path(__file__).parent / "regions"
D, C = 8, 5
VOCABULARY = ["tree", "dog", "person"]


def pictures():
    rng = np.random.default_rng(20240229)
    out = []
    for name, w, h, n in [("img_0001", 640, 480, 2), ("img_0002", 500, 375, 3),
                          ("img_0010", 333, 500, 1)]:
        x1 = rng.uniform(0, 0.5, n) * w
        y1 = rng.uniform(0, 0.5, n) * h
        x2 = x1 + rng.uniform(0.1, 0.4, n) * w
        y2 = y1 + rng.uniform(0.1, 0.4, n) * h
        probs = rng.uniform(0.05, 1, (n, C)).astype(np.float32)
        probs /= probs.sum(axis=1, keepdims=True)
        probs = probs[np.argsort(-probs[:, 1:].max(axis=1))]
        out.append({
            "id": name, "w": w, "h": h, "n": n,
            "boxes": np.stack([x1, y1, x2, y2], 1).astype(np.float32),
            "features": (rng.integers(-400, 400, (n, D)) / 64).astype(np.float32),
            "objects_id": rng.integers(0, len(VOCABULARY), n).astype(np.int64),
            "objects_conf": rng.uniform(0.2, 1, n).astype(np.float32),
            "attrs_id": rng.integers(0, 400, n).astype(np.int64),
            "attrs_conf": rng.uniform(0.2, 1, n).astype(np.float32),
            "probs": probs,
        })
    return out


def b64(array):
    return base64.b64encode(array).decode()


def lxmert(items):
    names = ["img_id", "img_h", "img_w", "objects_id", "objects_conf", "attrs_id", "attrs_conf",
             "num_boxes", "boxes", "features"]
    with open(OUT / "lxmert.tsv", "w") as f:
        writer = csv.DictWriter(f, names, delimiter="\t", lineterminator="\n")
        for p in items:
            writer.writerow({
                "img_id": p["id"], "img_h": p["h"], "img_w": p["w"], "num_boxes": p["n"],
                "objects_id": b64(p["objects_id"]), "objects_conf": b64(p["objects_conf"]),
                "attrs_id": b64(p["attrs_id"]), "attrs_conf": b64(p["attrs_conf"]),
                "boxes": b64(p["boxes"]), "features": b64(p["features"])})


def butd(items):
    names = ["image_id", "image_w", "image_h", "num_boxes", "boxes", "features"]
    # The original tool leaves csv's own line ends: carriage return and line feed.
    with open(OUT / "butd.tsv", "w", newline="") as f:
        writer = csv.DictWriter(f, names, delimiter="\t")
        for p in items:
            writer.writerow({
                "image_id": p["id"], "image_w": p["w"], "image_h": p["h"], "num_boxes": p["n"],
                "boxes": b64(p["boxes"]), "features": b64(p["features"])})


def vlbert(items):
    folder = OUT / "vlbert"
    folder.mkdir()
    with zipfile.ZipFile(OUT / "vlbert.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for p in items:
            # encodebytes breaks its lines: the published reader takes both forms.
            wrapped = base64.encodebytes(p["features"].tobytes()).decode()
            text = json.dumps({
                "image_w": p["w"], "image_h": p["h"], "num_boxes": p["n"],
                "boxes": b64(p["boxes"]), "features": wrapped, "classes": b64(p["probs"])})
            (folder / (p["id"] + ".json")).write_text(text)
            info = zipfile.ZipInfo("frcnn/" + p["id"] + ".json", (2020, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)


def half(array):
    return array.astype(np.float16) if array.dtype == np.float32 else array


def norm_bb(p):
    b = p["boxes"]
    x1, y1, x2, y2 = b[:, 0] / p["w"], b[:, 1] / p["h"], b[:, 2] / p["w"], b[:, 3] / p["h"]
    return np.stack([x1, y1, x2, y2, x2 - x1, y2 - y1], 1).astype(np.float32)


def new_lmdb(path):
    path.mkdir(parents=True)
    return lmdb.open(str(path), map_size=1 << 20)


def uniter(items):
    folder = OUT / "uniter"
    for compress in [False, True]:
        name = "feat_th0.2_max100_min10" + ("_compressed" if compress else "")
        env = new_lmdb(folder / name)
        counts = {}
        with env.begin(write=True) as txn:
            for p in items:
                dump = {"features": half(p["features"]), "norm_bb": half(norm_bb(p)),
                        "conf": half(p["objects_conf"]), "soft_labels": half(p["probs"])}
                if compress:
                    buffer = io.BytesIO()
                    # Older numpy took allow_pickle for one more array: the published files hold it.
                    np.savez_compressed(buffer, **dump)
                    with zipfile.ZipFile(buffer, "a") as archive:
                        extra = io.BytesIO()
                        np.save(extra, np.array(True))
                        archive.writestr("allow_pickle.npy", extra.getvalue())
                    value = buffer.getvalue()
                else:
                    value = msgpack.dumps(dump, use_bin_type=True)
                    if p is items[0]:
                        (OUT / "uniter_value.msgpack").write_bytes(value)
                txn.put((p["id"] + ".npz").encode(), value)
                counts[p["id"] + ".npz"] = p["n"]
            txn.put(b"__keys__", json.dumps(list(counts)).encode())
        env.close()
    (folder / "nbb_th0.2_max100_min10.json").write_text(json.dumps(counts))


def volta(items):
    for name, arrays in [("volta.lmdb", False), ("volta_arrays.lmdb", True)]:
        env = new_lmdb(OUT / name)
        with env.begin(write=True) as txn:
            for p in items:
                item = {"img_h": p["h"], "img_w": p["w"], "num_boxes": p["n"]}
                if arrays:
                    item = {"img_h": np.int64(p["h"]), "img_w": np.int64(p["w"]),
                            "boxes": p["boxes"], "features": p["features"]}
                else:
                    item.update(boxes=b64(p["boxes"]), features=b64(p["features"]),
                                cls_prob=b64(p["probs"]))
                item["img_id"] = p["id"]
                txn.put(p["id"].encode(), pickle.dumps(item, protocol=3))
            txn.put(b"keys", pickle.dumps([p["id"].encode() for p in items], protocol=3))
        env.close()


def oscar(items):
    offset, offsets, rows, labels = 0, [], [], []
    for p in items:
        both = np.concatenate([p["features"], norm_bb(p)], 1)
        row = p["id"] + "\t" + json.dumps({"num_boxes": p["n"], "features": b64(both)}) + "\n"
        objects = [{"class": VOCABULARY[c], "rect": [float(v) for v in box], "conf": float(s)}
                   for c, box, s in zip(p["objects_id"], p["boxes"], p["objects_conf"])]
        rows.append(row)
        labels.append(p["id"] + "\t" + json.dumps(objects) + "\n")
        offsets.append(offset)
        offset += len(row.encode())
    folder = OUT / "oscar"
    folder.mkdir()
    (folder / "features.tsv").write_text("".join(rows))
    (folder / "features.lineidx").write_text("".join(f"{o}\n" for o in offsets))
    (folder / "label.tsv").write_text("".join(labels))


def unimo(items):
    with open(OUT / "unimo_retrieval.txt", "w") as f:
        for p in items:
            f.write("\t".join([p["id"], str(p["w"]), str(p["h"]), str(p["n"]), b64(p["boxes"]),
                               b64(p["features"]), b64(p["probs"])]) + "\n")
    with open(OUT / "unimo_caption.txt", "w") as f:
        for p in items:
            # image, caption, tokens, sentences, positions, segments, node starts, node ends,
            # height, width, count, boxes, class and attribute probabilities, features, label
            f.write(";".join([p["id"], "7", "0 5 2", "0 0 0", "2 3 4", "-1 0 -1", "0", "1",
                              str(p["h"]), str(p["w"]), str(p["n"]), b64(p["boxes"]),
                              b64(p["probs"]), b64(p["probs"]), b64(p["features"]), "0"]) + "\n")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    items = pictures()
    lxmert(items)
    butd(items)
    vlbert(items)
    uniter(items)
    volta(items)
    oscar(items)
    unimo(items)
    for lock in OUT.rglob("lock.mdb"):
        lock.unlink()
    expected = [{key: value.flatten().tolist() if isinstance(value, np.ndarray) else value
                 for key, value in p.items()} for p in items]
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
