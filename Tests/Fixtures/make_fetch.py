"""Makes the archives under Tests/Fixtures/fetch: two good ones and five that must be refused.

Python 3.11 (standard library only). Run in Tests/Fixtures:

    python3 make_fetch.py
"""
import io
import lzma
import pathlib
import tarfile
import zipfile

OUT = pathlib.Path("fetch")
OUT.mkdir(exist_ok=True)
DATE = (2020, 1, 1, 0, 0, 0)


def zip_of(name, entries):
    with zipfile.ZipFile(OUT / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in entries:
            archive.writestr(zipfile.ZipInfo(path, DATE), content)


def tar_of(entries):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, kind, content in entries:
            info = tarfile.TarInfo(path)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                archive.addfile(info)
    return data.getvalue()


def ar_of(members):
    data = b"!<arch>\n"
    for name, content in members:
        data += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, 0, 0, 0, b"100644", len(content))
        data += content + b"\n" * (len(content) % 2)
    return data


GOOD = [("pkg/data/a.txt", "alpha\n"), ("pkg/data/b/c.txt", "gamma\n"), ("pkg/code.py", "pass\n")]
zip_of("good.zip", GOOD)
zip_of("climbing.zip", GOOD + [("../outside.txt", "no")])
zip_of("hidden-climb.zip", GOOD + [("pkg/../../outside.txt", "no")])
zip_of("absolute.zip", GOOD + [("/tmp/tandem-outside.txt", "no")])
with __import__("warnings").catch_warnings():
    __import__("warnings").simplefilter("ignore")  # the duplicate is the point
    zip_of("repeated.zip", GOOD + [("pkg/data/a.txt", "another\n")])

FILE, LINK = tarfile.REGTYPE, tarfile.SYMTYPE
(OUT / "through-link.tar").write_bytes(
    tar_of([("pkg/door", LINK, "/tmp"), ("pkg/door/outside.txt", FILE, b"no")]))
(OUT / "good.deb").write_bytes(ar_of([
    (b"debian-binary", b"2.0\n"),
    (b"control.tar.xz", lzma.compress(tar_of([("./control", FILE, b"Package: good\n")]))),
    (b"data.tar.xz", lzma.compress(tar_of([
        ("./usr/share/good/a.txt", FILE, b"alpha\n"),
        ("./usr/share/good/big.bin", FILE, bytes(range(256)) * 4096),
        ("./usr/share/good/link.txt", LINK, "a.txt"),
    ]))),
]))
(OUT / "damaged.deb").write_bytes((OUT / "good.deb").read_bytes()[:-200])
