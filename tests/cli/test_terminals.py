"""Terminals of every kind: other encodings, narrow ones, and readers that have gone."""

import io
import os
import subprocess
import sys

import pytest

from tinybert_l import cli
from tinybert_l.course.tables import LEAST_WIDTH, console


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("words", [["--help"], ["exercises", "--lecture", "1"]])
def test_an_encoding_without_chinese_shows_the_rest(monkeypatch, encoding, words):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    monkeypatch.setattr(sys, "argv", ["tinybert-l", *words])
    monkeypatch.setenv("COLUMNS", "150")
    try:
        cli.run()
    except SystemExit as end:
        assert not end.code
    sys.stdout.flush()
    output = shown.getvalue()
    if words == ["--help"]:
        assert b"Usage: tinybert-l" in output
    else:
        assert b"parameter_count" in output and b"?" in output


def test_the_list_of_commands_ends_quietly_where_its_reader_has_gone():
    reader, writer = os.pipe()
    os.close(reader)
    code = "import sys; sys.argv = ['tinybert-l', '--help']; from tinybert_l.cli import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.returncode == 1 and done.stderr == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_the_list_of_commands_says_that_the_disk_is_full():
    code = "import sys; sys.argv = ['tinybert-l', '--help']; from tinybert_l.cli import run; run()"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode and b"Error: No space left on device" in done.stderr
    assert b'File "' not in done.stderr


def test_a_narrow_terminal_leaves_no_column_out(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    assert console().width == LEAST_WIDTH
    monkeypatch.setenv("COLUMNS", "90")
    assert console().width == 90
