"""The record is read from its end, and only what was appended since."""

import builtins

import pytest

from tinybert_l.grading.results import audit as audit_module
from tinybert_l.grading.results.audit import Audit


@pytest.mark.parametrize("long", [0, 10, 70_000, 300_000], ids=str)
def test_another_process_goes_on_after_the_last_line(tmp_path, long):
    for number in range(3):
        entry = Audit(tmp_path).append("error", student="ann", assignment="x", reason="y" * long)
        assert entry["n"] == number + 1
    assert Audit(tmp_path).broken() == []
    with Audit(tmp_path).path.open("ab") as file:  # a line that was killed half-way
        file.write(b'{"n": 4, "reason": "' + b"z" * long)
    assert Audit(tmp_path).append("error", student="bo", assignment="x")["n"] == 4
    assert Audit(tmp_path).broken() == []


def test_verdicts_are_read_once(tmp_path, monkeypatch):
    audit, other = Audit(tmp_path), Audit(tmp_path)
    assert audit.verdicts("x") == {}
    other.append("graded", student="ann", assignment="x", submission="1")
    other.append("graded", student="ann", assignment="another", submission="2")
    assert audit.verdicts("x")["ann"]["submission"] == "1"
    other.append("error", student="ann", assignment="x", submission="3")
    parsed = []
    loads = audit_module.json.loads
    monkeypatch.setattr(audit_module.json, "loads", lambda line: parsed.append(line) or loads(line))
    assert audit.verdicts("x")["ann"]["event"] == "error" and len(parsed) == 1
    audit.path.write_bytes(b"")  # put back from a backup
    assert audit.verdicts("x") == {}


def test_an_append_reads_a_block_and_not_the_file(tmp_path, monkeypatch):
    for _ in range(20):
        Audit(tmp_path).append("error", student="ann", assignment="x", reason="y" * 50_000)
    read = []

    class Counting:
        def __init__(self, file) -> None:
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_) -> None:
            self.file.close()

        def seek(self, *where) -> int:
            return self.file.seek(*where)

        def read(self, size: int = -1) -> bytes:
            raw = self.file.read(size)
            read.append(len(raw))
            return raw

    path = Audit(tmp_path).path
    real = builtins.open
    monkeypatch.setattr(audit_module, "open", lambda *x: Counting(real(*x)), raising=False)
    size, line = audit_module._last_line(path)
    assert size == path.stat().st_size and line.endswith(b"\n")
    assert sum(read) < size / 2
