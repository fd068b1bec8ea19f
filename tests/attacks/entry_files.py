"""Hostile entries whose files, zip files or descriptions are none: refused unopened."""

import json
import os
import pickle
import socket
import struct
import zipfile
from pathlib import Path

from .entries import DESCRIPTION, describe, unopened, zipped

# files that are no plain files of an entry


@unopened("pickles are code")
def pickled_weights(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(os.system))


@unopened("no code")
def python_module(folder: Path) -> None:
    (folder / "modeling.py").write_text("import os")


@unopened("one file")
def weights_beside_the_model(folder: Path) -> None:
    (folder / "model.onnx.data").write_bytes(b"0" * 64)


@unopened("vocab.txt, one a line")
def tokenizer_with_a_regex_bomb(folder: Path) -> None:
    rule = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated"}
    (folder / "tokenizer.json").write_text(json.dumps({"pre_tokenizer": rule}))


@unopened("a symbolic link")
def link_to_a_secret(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    (folder / "vocab.txt").symlink_to("/etc/passwd")


@unopened("a symbolic link")
def folder_that_is_a_link(folder: Path) -> Path:
    link = folder.with_name("link")
    link.symlink_to(folder)
    return link


@unopened("hard link")
def hard_link(folder: Path) -> None:
    os.link(folder / "model.onnx", folder.with_name("other"))


@unopened("a pipe")
def pipe_that_never_ends(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    os.mkfifo(folder / "vocab.txt")


@unopened("a socket")
def socket_in_place_of_a_file(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket has to be short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("vocab.txt")
    finally:
        os.chdir(here)


@unopened("a device")
def pipe_of_a_device(folder: Path) -> Path:
    return Path("/dev/zero")


@unopened("a folder")
def folder_in_place_of_a_file(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").mkdir()


@unopened("allowed: at most")
def sparse_gigabytes(folder: Path) -> None:
    with (folder / "model.onnx").open("wb") as file:
        file.truncate(2**34)


@unopened("allowed: at most")
def ten_million_pieces(folder: Path) -> None:
    (folder / "vocab.txt").write_bytes(b"a\n" * 10**7)


@unopened("more than")
def thousands_of_files(folder: Path) -> None:
    for number in range(2000):
        (folder / f".{number}").touch()


@unopened("a file")
def pickle_alone(folder: Path) -> Path:
    path = folder.with_name("entry.pkl")
    path.write_bytes(pickle.dumps(os.system))
    return path


@unopened("the folder in which entry.json lies")
def folder_around_the_entry(folder: Path) -> Path:
    outer = folder.with_name("outer")
    outer.mkdir()
    folder.rename(outer / "entry")
    return outer


# zip files


@unopened("leads out")
def path_out_of_a_zip(folder: Path) -> Path:
    return zipped(folder, {"vocab.txt": "../../vocab.txt"})


@unopened("leads out")
def absolute_path_in_a_zip(folder: Path) -> Path:
    return zipped(folder, {"vocab.txt": "/etc/vocab.txt"})


@unopened("the folder in which entry.json lies")
def two_folders_around_a_zip(folder: Path) -> Path:
    return zipped(folder, {path.name: f"outer/entry/{path.name}" for path in folder.iterdir()})


@unopened("leads out")
def path_out_of_a_zip_of_windows(folder: Path) -> Path:
    return zipped(folder, {"vocab.txt": "..\\..\\vocab.txt"})


@unopened("several folders")
def two_folders_in_a_zip(folder: Path) -> Path:
    return zipped(folder, {"vocab.txt": "other/vocab.txt"})


@unopened("allowed: at most")
def zip_bomb(folder: Path) -> Path:
    (folder / "vocab.txt").write_bytes(bytes(3 * 2**20))
    return zipped(folder)


@unopened("unusual method")
def zip_that_asks_for_gigabytes(folder: Path) -> Path:
    path = folder.with_name("entry.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    raw = path.read_bytes()  # an LZMA header: version 9.4, 5 bytes, one of which packs settings
    size = raw.index(b"\x09\x04\x05\x00") + 5
    path.write_bytes(raw[:size] + b"\xff\xff\xff\xff" + raw[size + 4 :])
    return path


@unopened("not found")
def nothing_at_all(folder: Path) -> Path:
    return folder.with_name("nothing")


@unopened("damaged")
def zip_that_lies_of_sizes(folder: Path) -> Path:
    (folder / "vocab.txt").write_bytes(bytes(3 * 2**20))
    path = zipped(folder)
    size = struct.pack("<I", 3 * 2**20)
    path.write_bytes(path.read_bytes().replace(size, struct.pack("<I", 1000)))
    return path


@unopened("a symbolic link")
def link_in_a_zip(folder: Path) -> Path:
    path = zipped(folder, {"vocab.txt": "entry/.hidden"})
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo("entry/vocab.txt")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    return path


@unopened("twice")
def one_name_twice_in_a_zip(folder: Path) -> Path:
    return zipped(folder, {"model.onnx": "entry/vocab.txt"})


@unopened("damaged")
def zip_that_is_none(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    return path


# entry.json


@unopened("not JSON")
def nested_json(folder: Path) -> None:
    (folder / "entry.json").write_text("[" * 4000)


@unopened("allowed: at most")
def huge_json(folder: Path) -> None:
    (folder / "entry.json").write_text(json.dumps({**DESCRIPTION, "name": "x" * 10**6}))


@unopened("twice")
def one_key_twice(folder: Path) -> None:
    text = json.dumps(DESCRIPTION)
    (folder / "entry.json").write_text(text.replace("{", '{"name": "other", ', 1))


@unopened("no JSON number")
def number_that_is_none(folder: Path) -> None:
    describe(folder, max_tokens=float("nan"))


@unopened("max_tokens")
def a_billion_tokens(folder: Path) -> None:
    describe(folder, max_tokens=10**9)


@unopened("labels")
def three_labels(folder: Path) -> None:
    describe(folder, labels=["negative", "positive", "positive"])


@unopened('["负面", "正面"]')
def labels_in_chinese(folder: Path) -> None:
    describe(folder, labels=["负面", "正面"])


@unopened("labels")
def labels_that_are_objects(folder: Path) -> None:
    describe(folder, labels=[{"positive": 1}, ["negative"]])


@unopened("keys")
def key_that_names_code(folder: Path) -> None:
    describe(folder, auto_map={"AutoModel": "modeling.Evil"})


@unopened("name")
def script_in_the_name(folder: Path) -> None:
    describe(folder, name="<script>alert(1)</script>")


@unopened("name")
def name_that_turns_around(folder: Path) -> None:
    describe(folder, name="a\u202etsebe")


@unopened("name")
def name_with_unseen_letters(folder: Path) -> None:
    describe(folder, name="hon\u200best")


@unopened("name")
def name_in_letters_that_look_alike(folder: Path) -> None:
    describe(folder, name="h\u043enest")


@unopened("name")
def name_of_marks(folder: Path) -> None:
    describe(folder, name="h" + "\u0301" * 30)


@unopened("name")
def name_that_is_a_path(folder: Path) -> None:
    describe(folder, name="../../etc/passwd")
