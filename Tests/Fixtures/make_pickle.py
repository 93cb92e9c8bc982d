"""Makes the fixtures of TandemPickle, and checks what its writers wrote.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), numpy 2.4.6.

    python Tests/Fixtures/make_pickle.py

Writes Tests/Fixtures/pickle/ beside this script: files of torch.save in both containers, pickles of
protocols 0 to 5, arrays and zip archives, and expected.json with every array's type, shape and
numbers as the reference libraries read them back.

The files written-*.* in that folder come from the Swift tests, which compare their output with them
byte by byte; run the tests with RECORD_WRITTEN=1 in the environment to make them anew. This script
ends by reading them with pickle, numpy and zipfile, and fails where a value differs.
"""

import base64
import collections
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

FOLDER = Path(__file__).resolve().parent / "pickle"
EXPECTED = {}


class Options:
    """Stands for the classes of training programs that lie beside the weights."""

    def __init__(self):
        self.learning_rate = 0.5
        self.names = ["a", "b"]


class Names(list):
    """A list of a class of its own: its items are appended to an object."""


class Table(dict):
    """A dictionary of a class of its own."""


class Heatmap(torch.Tensor):
    """A tensor of a class of its own."""


class Keywords:
    """Made with arguments by name."""

    def __new__(cls, *arguments, **keywords):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (1, 2), {"width": 3}


def expect(name, array):
    if isinstance(array, torch.Tensor):
        kind = str(array.dtype).removeprefix("torch.")
        shape = list(array.shape)
        strides = list(array.stride())
        flat = array.detach().contiguous().flatten().to(torch.float64).tolist()
    else:
        array = np.asarray(array)
        kind = array.dtype.name
        shape = list(array.shape)
        strides = [s // array.itemsize for s in array.strides] if array.size else []
        flat = array.astype(np.float64).flatten(order="C").tolist()
    EXPECTED[name] = {"type": kind, "shape": shape, "strides": strides, "numbers": flat}


def checkpoint():
    torch.manual_seed(20190806)
    model = nn.Sequential(
        collections.OrderedDict(
            first=nn.Linear(3, 4), norm=nn.BatchNorm1d(4), second=nn.Linear(4, 3, bias=False)
        )
    )
    model.second.weight = nn.Parameter(torch.randn(3, 4))
    model.register_buffer("tied", model.second.weight.detach())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.125)
    model(torch.randn(5, 3)).square().sum().backward()
    optimizer.step()
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8
    extra = {
        "base": base,
        "offset": base[1:3],
        "column": base[:, 2],
        "transposed": base.t(),
        "cut": base[1:4:2, 1::2],
        "permuted": torch.arange(24, dtype=torch.int32).reshape(2, 3, 4).permute(2, 0, 1),
        "half": torch.tensor([1.5, -2.25, 65504.0, 5.960464477539063e-08, 6.103515625e-05, 0.0]).half(),
        "bfloat16": torch.randn(2, 3).bfloat16(),
        "double": torch.tensor([1 / 3, -1e300], dtype=torch.float64),
        "int64": torch.tensor([[1, -2], [3, -(2**40)]]),
        "int16": torch.tensor([-300, 300], dtype=torch.int16),
        "int8": torch.tensor([-128, 127], dtype=torch.int8),
        "uint8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "uint16": torch.tensor([0, 40000], dtype=torch.uint16),
        "parameter": nn.Parameter(torch.randn(2, 2)),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
        "subclass": torch.randn(2).as_subclass(Heatmap),
        "tagged": nn.Parameter(torch.randn(2)),
        "complex": torch.tensor([1 + 2j]),
    }
    extra["tagged"].tag = "x"
    for name, value in model.state_dict().items():
        expect("state_dict/" + name, value)
    for name, value in extra.items():
        if name != "complex":
            expect("extra/" + name, value)
    for name, value in optimizer.state_dict()["state"][0].items():
        expect("optimizer/" + name, value)
    return {
        "epoch": 3,
        "name": "tändem",
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "extra": extra,
        "options": Options(),
        "size": torch.Size([2, 3]),
        "device": torch.device("cpu"),
        "type": torch.bfloat16,
        "seed": 2**64 - 1,
    }


def torch_files():
    value = checkpoint()
    torch.save(value, FOLDER / "zip.pt")
    torch.save(value, FOLDER / "sequence.pt", _use_new_zipfile_serialization=False)
    small = {"weight": torch.arange(6, dtype=torch.float32).reshape(2, 3), "step": 7}
    torch.save(small, FOLDER / "small-zip.pt")
    torch.save(small, FOLDER / "small-sequence.pt", _use_new_zipfile_serialization=False)
    torch.save(small, FOLDER / "protocol4.pt", _use_new_zipfile_serialization=False, pickle_protocol=4)
    torch.save(small["weight"], FOLDER / "bare.pt")
    torch.jit.script(nn.Linear(2, 2)).save(str(FOLDER / "script.pt"))
    big_endian(small)
    view_file()


def big_endian(small):
    """The same file as a machine of the other byte order would have written it."""
    buffer = io.BytesIO()
    torch.save(small, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(FOLDER / "big-endian.pt", "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("/byteorder"):
                data = b"big"
            if "/data/" in entry.filename:
                data = np.frombuffer(data, "<f4").astype(">f4").tobytes()
            # Packed again: reading must cope with deflated entries too.
            target.writestr(entry.filename, data, zipfile.ZIP_DEFLATED)
    back = torch.load(FOLDER / "big-endian.pt")
    assert torch.equal(back["weight"], small["weight"])


class View:
    """A tensor in the files of PyTorch 0.4: a view of a part of another storage, on a GPU."""

    def __init__(self, start, count):
        self.storage = Stored(start, count)

    def __reduce__(self):
        count = self.storage.count
        arguments = (self.storage, 1, (count - 1,), (1,))
        if self.storage.start == 0:
            return torch._utils._rebuild_tensor, arguments
        return torch._utils._rebuild_tensor_v2, (*arguments, False, collections.OrderedDict())


class Stored:
    def __init__(self, start, count):
        self.start, self.count = start, count


def view_file():
    numbers = np.arange(10, dtype=np.float32) * 1.5

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, Stored):
                view = (f"view{value.start}", value.start, value.count)
                return ("storage", torch.FloatStorage, "root", "cuda:0", 10, view)
            return None

    with open(FOLDER / "views.pt", "wb") as file:
        pickle.dump(0x1950A86A20F9469CFC6C, file, protocol=2)
        pickle.dump(1001, file, protocol=2)
        sizes = {"short": 2, "int": 4, "long": 4}
        pickle.dump({"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}, file, protocol=2)
        Pickler(file, protocol=2).dump({"a": View(2, 4), "b": View(0, 10)})
        pickle.dump(["root"], file, protocol=2)
        file.write(struct.pack("<q", 10) + numbers.tobytes())
    back = torch.load(FOLDER / "views.pt", map_location="cpu")
    assert back["a"].tolist() == numbers[3:6].tolist()
    for name, value in back.items():
        expect("views/" + name, value)


def numpy_values():
    grid = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    return {
        "float16": np.array([1.5, -2.25, 65504, 6e-8], np.float16),
        "float32": grid,
        "float64": np.array([1 / 3]),
        "big": np.array([1.5, -2.5], ">f4"),
        "int8": np.array([-128, 127], np.int8),
        "int16": np.array([-300], np.int16),
        "int32": np.array([-70000], np.int32),
        "int64": np.array([[1], [-(2**40)]]),
        "uint8": np.array([0, 255], np.uint8),
        "uint32": np.array([2**32 - 1], np.uint32),
        "uint64": np.array([2**63 - 1], np.uint64),
        "bool": np.array([True, False]),
        "fortran": np.asfortranarray(grid[0]),
        "permuted": grid.transpose(1, 2, 0),
        "strided": grid[:, ::2],
        "zero_d": np.array(2.5, np.float32),
        "empty": np.zeros((0, 5), np.float32),
        "scalar": np.float32(1.25),
        "scalar_int": np.int64(-5),
        "scalar_bool": np.bool_(True),
    }


def numpy_files():
    values = numpy_values()
    others = {"texts": np.array(["a", "bc"]), "objects": np.array([{"a": 1}, None], object)}
    for protocol in (2, 3, 4, 5):
        (FOLDER / f"numpy{protocol}.pkl").write_bytes(pickle.dumps({**values, **others}, protocol))
    old = pickle.dumps(values, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    (FOLDER / "numpy1.pkl").write_bytes(old)
    assert pickle.loads(old)["scalar"] == values["scalar"]
    for name, value in values.items():
        expect("numpy/" + name, value)
    model = {"stem.weight": values["float32"], "stem.bias": values["float64"]}
    detectron = {"model": model, "__author__": "someone", "matching_heuristics": True}
    (FOLDER / "detectron.pkl").write_bytes(pickle.dumps(detectron, 2))

    arrays = {k: v for k, v in values.items() if not k.startswith("scalar")}
    np.savez(FOLDER / "stored.npz", **arrays)
    np.savez_compressed(FOLDER / "compressed.npz", **arrays)
    for name in ("float32", "fortran", "zero_d", "big"):
        np.save(FOLDER / f"{name}.npy", values[name])
    with open(FOLDER / "version3.npy", "wb") as file:
        np.lib.format.write_array(file, values["float16"], version=(3, 0))
    np.save(FOLDER / "objects.npy", others["objects"])


def plain_value():
    shared = ["shared"]
    value = {
        "none": None,
        "true": True,
        "false": False,
        "integers": [0, 255, 256, 65535, 65536, -1, -128, 2**31 - 1, -(2**31), 2**31, -(2**63), 2**63 - 1],
        "large": 2**63,
        "floats": [0.0, -1.5, 1e300, float("inf")],
        "texts": ["", "plain", "tändem ✓ 𝄞", "line\nbreak\\u0041", "x" * 300],
        "bytes": [b"", bytes(range(256)), b"y" * 300],
        "bytearray": bytearray(b"abc"),
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "set": {5},
        "frozenset": frozenset([6]),
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
        "default": collections.defaultdict(list, {"k": [1]}),
        "shared": [shared, shared],
        "many": {f"key{i}": i for i in range(100)},
        "numbered": {i * 7: i for i in range(20)},
        "options": Options(),
        "names": Names(["x", "y"]),
        "table": Table(z=1),
        "class": collections.Counter,
        "complex": 1 + 2j,
    }
    loop = [1]
    loop.append(loop)
    value["loop"] = loop
    return value


def plain_files():
    for protocol in range(6):
        value = plain_value()
        if protocol >= 2:
            value["keywords"] = Keywords()
        (FOLDER / f"plain{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))
    # As Python 2 wrote it: strings are bytes, numbers of the memo begin at 1.
    text = b"(dp1\nS'name'\np2\nS'it\\'s \\x41\\n\\101'\np3\nsS'list'\np4\n(lp5\nI1\naI01\naL3L\naF0.5\nag3\nas."
    assert pickle.loads(text, encoding="bytes") == {b"name": b"it's A\nA", b"list": [1, True, 3, 0.5, b"it's A\nA"]}
    (FOLDER / "python2-0.pkl").write_bytes(text)
    binary = b"\x80\x02}q\x01(U\x04nameq\x02U\x03\xe9t\xe9q\x03U\x05boxesq\x04T\x03\x00\x00\x00abcq\x05u."
    assert pickle.loads(binary, encoding="bytes") == {b"name": b"\xe9t\xe9", b"boxes": b"abc"}
    (FOLDER / "python2-2.pkl").write_bytes(binary)
    features = np.arange(12, dtype=np.float32)
    item = {"img_h": 480, "img_w": 640, "features": base64.b64encode(features), "boxes": base64.b64encode(features[:8])}
    for protocol in (2, 4):
        (FOLDER / f"regions{protocol}.pkl").write_bytes(pickle.dumps(item, protocol))


def zip_files():
    with zipfile.ZipFile(FOLDER / "mixed.zip", "w") as archive:
        archive.writestr("stored.txt", b"stored bytes")
        archive.writestr("folder/deflated.txt", b"deflated " * 500, zipfile.ZIP_DEFLATED)
        archive.writestr("empty", b"", zipfile.ZIP_DEFLATED)
        archive.writestr("bzip2", b"other", zipfile.ZIP_BZIP2)
        archive.comment = b"a comment PK\x05\x06 with a false end"
    whole = (FOLDER / "mixed.zip").read_bytes()
    (FOLDER / "prefixed.zip").write_bytes(b"#!program\n" * 7 + whole)
    (FOLDER / "zip64.zip").write_bytes(zip64())
    with zipfile.ZipFile(FOLDER / "zip64.zip") as archive:
        assert archive.read("large") == b"zip64 sizes" and archive.testzip() is None


def zip64():
    """An archive whose every size stands in zip64 fields, though it is small."""
    name, data = b"large", b"zip64 sizes"
    crc = zipfile.crc32(data)
    big = 0xFFFFFFFF
    extra = struct.pack("<HHQQ", 1, 16, len(data), len(data))
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 45, 0, 0, 0, 33, crc, big, big, len(name), len(extra))
    body = local + name + extra + data
    extra = struct.pack("<HHH", 0x9999, 2, 0) + struct.pack("<HHQQQ", 1, 24, len(data), len(data), 0)
    entry = struct.pack(
        "<IHHHHHHIIIHHHHHII", 0x02014B50, 45, 45, 0, 0, 0, 33, crc, big, big, len(name), len(extra), 0, 0, 0, 0, big
    )
    directory = entry + name + extra
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 1, 1, len(directory), len(body))
    locator = struct.pack("<IIQI", 0x07064B50, 0, len(body) + len(directory), 1)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, big, big, 0)
    return body + directory + end64 + locator + end


def check_written():
    """What the Swift writers wrote, read by the reference libraries."""
    grid = np.arange(6, dtype=np.float32).reshape(2, 3)
    for protocol in (2, 3, 4):
        path = FOLDER / f"written{protocol}.pkl"
        if not path.exists():
            print("not there yet:", path.name)
            continue
        value = pickle.loads(path.read_bytes())
        arrays = value.pop("arrays")
        assert value == {
            "img_h": 480,
            "img_w": 640,
            "features": base64.b64encode(np.arange(12, dtype=np.float32)),
            "none": None,
            "flags": [True, False],
            "integers": [0, 255, 256, 65535, 65536, -1, 2**31, -(2**63), 2**63 - 1],
            "float": -0.1,
            "texts": ["", "tändem ✓ 𝄞", "x" * 300],
            "bytes": [b"", bytes(range(256))],
            "tuple": (1, ("a",)),
            "empty": [[], {}],
            7: "number",
        }, value
        assert type(value["flags"][0]) is bool
        for array, wanted in zip(arrays, [grid, np.array([1, -2, 2**40]), grid.astype(np.float16)]):
            assert array.dtype == wanted.dtype and np.array_equal(array, wanted), array
    for name in ("written-stored.npz", "written-deflated.npz"):
        if (FOLDER / name).exists():
            with np.load(FOLDER / name) as archive:
                assert list(archive) == ["features", "ids", "half"]
                assert np.array_equal(archive["features"], grid) and archive["ids"].tolist() == [1, -2, 2**40]
                assert archive["half"].dtype == np.float16
            with zipfile.ZipFile(FOLDER / name) as archive:
                assert archive.testzip() is None


def main():
    FOLDER.mkdir(exist_ok=True)
    torch_files()
    numpy_files()
    plain_files()
    zip_files()
    (FOLDER / "expected.json").write_text(json.dumps(EXPECTED, indent=0) + "\n")
    check_written()


if __name__ == "__main__":
    main()
