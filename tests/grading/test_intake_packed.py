"""Archives other than zip files: read where Python can, else called what they are."""

import bz2
import gzip
import io
import lzma
import tarfile
import time

import pytest
from test_intake_more import FILE, MOODLE, read, zipped
from test_intake_odd import ANSWER, NAME, STUB

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.archives import INNER_BYTES, SUBMISSION_LIMIT
from tinybert_l.grading.intake import read_archive
from tinybert_l.grading.tar_members import BLOCK, tar_members, unpacked


def tarred(members: dict[str, bytes], mode: str = "w", **how) -> bytes:
    """A tar archive; with gzip without the time, or tests would be named anew each second."""
    if mode == "w:gz":
        return gzip.compress(tarred(members, **how), mtime=0)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, **how) as archive:
        for name, raw in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return buffer.getvalue()


DEEP = f"{'a long folder/' * 20}{FILE}"
BOMB = gzip.compress(tarred({FILE: b"\0" * (INNER_BYTES + 1)}), 9, mtime=0)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        (f"{MOODLE}/w.tar.gz", tarred({f"w/{FILE}": ANSWER, "w/plot.png": b"x"}, "w:gz")),
        (f"{MOODLE}/w.tar (1).gz", tarred({FILE: ANSWER}, "w:gz")),
        (f"{MOODLE}/w.TGZ", tarred({DEEP: ANSWER}, "w:gz", format=tarfile.GNU_FORMAT)),
        (f"{MOODLE}/w.tar.xz", tarred({DEEP: ANSWER}, "w:xz", format=tarfile.PAX_FORMAT)),
        (f"{MOODLE}/w.tbz2", tarred({f"王芳/{FILE}": ANSWER}, "w:bz2")),
        (f"{MOODLE}/w.tar", tarred({f"{'d' * 90}/{FILE}": ANSWER}, format=tarfile.USTAR_FORMAT)),
        (f"{MOODLE}/w.zip", tarred({FILE: ANSWER})),
        (f"{MOODLE}/{FILE}", tarred({FILE: ANSWER}, "w:gz")),
        (f"{MOODLE}/{FILE}.gz", gzip.compress(ANSWER, mtime=0)),
        (f"{MOODLE}/{FILE}.bz2", bz2.compress(ANSWER)),
        (f"{MOODLE}/{FILE}", lzma.compress(ANSWER)),
        (f"{MOODLE}/w.zip", zipped({"w.tar.gz": tarred({FILE: ANSWER}, "w:gz")})),
        (f"{MOODLE}/w.tgz", tarred({"w.zip": zipped({FILE: ANSWER})}, "w:gz")),
        ("liann_9_902_w.tar.gz", tarred({FILE: ANSWER}, "w:gz")),
        (f"liann-{NAME}.tar.gz", tarred({FILE: ANSWER}, "w:gz")),
        (f"liann-{FILE}.gz", gzip.compress(ANSWER, mtime=0)),
        (f"{MOODLE}/w.tar", tarred({f"._{FILE}": b"\0", FILE: ANSWER})),
    ],
)
def test_what_tar_gzip_bzip2_and_xz_pack_is_taken_in(tmp_path, name, raw):
    arrivals, refusals = read(tmp_path, {name: raw, f"bo/{FILE}": STUB})
    assert len(arrivals) == 2 and not refusals
    assert next(arrivals[x].raw for x in arrivals if x != "bo") == ANSWER


def test_a_notebook_that_is_packed_and_unpacked_is_one_answer(tmp_path):
    members = {f"{MOODLE}/{FILE}": ANSWER, f"{MOODLE}/w.tgz": tarred({FILE: ANSWER}, "w:gz")}
    arrivals, refusals = read(tmp_path, members)
    assert arrivals["Ann_Li-9"].raw == ANSWER and not refusals


@pytest.mark.parametrize(
    ("name", "raw", "what"),
    [
        ("w.zst", b"\x28\xb5\x2f\xfd", "zstd"),
        ("w.cab", b"MSCF\0\0\0\0", "cabinet"),
        ("w.exe", b"MZ\x90\0", "a program"),
        ("IMG_1.HEIC", b"\0\0\0\x18ftypheic", "a picture"),
        ("mail.eml", b"From: x\n", "a mail"),
        ("x.mhtml", b"From: <Saved by Blink>\n", "web page"),
        ("x.deepnote", b"version: 1\n", "a document"),
        ("link.txt", b"https://colab.research.google.com/drive/1abc\n", "an address"),
        ("x.py", b"import marimo\napp = marimo.App()\n", "export as a script"),
        (FILE, b"{\\rtf1\\ansi {}}", "rtf"),
        ("w.tar.gz", tarred({FILE: ANSWER}, "w:gz")[:60], "incomplete"),
        ("w.tar", tarred({FILE: ANSWER})[:520], "incomplete"),
        ("w.tar", tarred({FILE: ANSWER, "b": b""})[: 2 * BLOCK] + b"x" * BLOCK, "damaged"),
        (f"{FILE}.gz", gzip.compress(ANSWER, mtime=0)[:-8] + b"x" * 8, "damaged"),
    ],
)
def test_what_cannot_be_opened_is_called_what_it_is(tmp_path, name, raw, what):
    arrivals, refusals = read(tmp_path, {f"ann/{name}": raw, f"bo/{FILE}": ANSWER})
    assert list(arrivals) == ["bo"] and what in refusals[0].reason


def test_an_archive_of_nobody_is_called_what_it_is(tmp_path):
    _, (refusal,) = read(tmp_path, {f"ann-{NAME}.7z": b"7z\xbc\xaf\x27\x1c"})
    assert "7z" in refusal.reason and "请改用zip" in refusal.reason
    whole = tmp_path / "class.tar.gz"
    whole.write_bytes(tarred({f"ann/{FILE}": ANSWER}, "w:gz"))
    with pytest.raises(InvalidInput, match=r"unpack it and name the folder 请先解压"):
        read_archive(whole, NAME)


@pytest.mark.parametrize("text", ["# %%\nx = 1\n", "import marimo\n", "---\njupyter:\n  x: 1\n"])
def test_a_script_that_is_called_a_notebook_is_called_a_script(tmp_path, text):
    arrivals, _ = read(tmp_path, {f"ann/{FILE}": text.encode()})
    assert "a notebook as a script" in arrivals["ann"].notes[-1]


# Attacks


def hostile(name: str, kind: bytes = b"0", size: bytes = b"0" * 11, link: str = "") -> bytes:
    """Return a header of a tar archive with these fields, and a right checksum."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[124 : 124 + len(size)] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


NEGATIVE = b"\xff" * 12  # -1 as GNU writes numbers that are too large for octal digits


@pytest.mark.parametrize(
    "raw",
    [
        BOMB,
        gzip.compress(b"\0" * (2 * INNER_BYTES), mtime=0),
        lzma.compress(b"\0" * (INNER_BYTES + 1), preset=1),
        hostile(FILE, link="/etc/passwd", kind=b"2") + bytes(1024),
        hostile(FILE, link=f"../bo/{FILE}", kind=b"1") + bytes(1024),
        hostile(f"../bo/{FILE}") + bytes(1024),
        hostile(f"/etc/{FILE}") + bytes(1024),
        hostile("x", kind=b"L", size=NEGATIVE) * 3,
        hostile("x", kind=b"x", size=NEGATIVE) * 3,
        hostile(FILE, size=b"77777777777") + bytes(1024),
        hostile(FILE, size=b"-0000000001") + bytes(1024),
        hostile("x", kind=b"3") + hostile("y", kind=b"6") + bytes(1024),
        tarred({}, "w:gz"),
        tarred({"a.tar.gz": tarred({"b.tar.gz": tarred({FILE: ANSWER}, "w:gz")}, "w:gz")}),
    ],
)  # fmt: skip
def test_a_hostile_archive_costs_its_own_hand_in_alone(tmp_path, raw):
    arrivals, refusals = read(tmp_path, {"eve/w.tar.gz": raw, f"bo/{FILE}": ANSWER})
    assert list(arrivals) == ["bo"] and arrivals["bo"].raw == ANSWER and refusals


def test_an_archive_of_headers_alone_ends_soon():
    raw = hostile("x", kind=b"L") * (SUBMISSION_LIMIT // BLOCK // 4) + bytes(1024)
    start = time.process_time()
    assert list(tar_members(raw)) == [] and time.process_time() - start < 5
    with pytest.raises(InvalidInput, match="unpacked"):
        unpacked(gzip.compress(b"\0" * 1001), 1000)
    assert unpacked(gzip.compress(b"\0" * 1000), 1000) == b"\0" * 1000


def test_a_name_in_a_members_facts_stays_in_its_students_folder(tmp_path):
    raw = tarred({f"../bo/{FILE}": STUB, "ü/../../x": b""}, "w:gz", format=tarfile.PAX_FORMAT)
    arrivals, refusals = read(tmp_path, {"eve/w.tgz": raw, f"bo/{FILE}": ANSWER})
    assert arrivals["bo"].raw == ANSWER and "eve" not in arrivals
    assert all(refusal.origin.startswith("eve/") for refusal in refusals)
