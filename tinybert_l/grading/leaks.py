"""Find answers and hidden tests in whatever is published: files, folders, wheels and zip files.

What is secret is told by content: each line of the reference answers, of the hidden tests and of
the model answers to essays that is long enough not to be equal by chance, and each answer to a quiz
as a student would write it. A text is searched with
white space, markup and escapes taken out, so that a line is found in a page of HTML, in a picture's
description, in the output or the metadata of a notebook, in base64 and within another line too.
"""

import ast
import base64
import binascii
import codecs
import html
import io
import json
import re
import tarfile
import tokenize
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat

from tinybert_l.course.authoring import cell_in_language
from tinybert_l.course.markers import (
    BEGIN_HIDDEN_TESTS,
    BEGIN_SOLUTION,
    hidden_tests,
    without_regions,
)
from tinybert_l.course.quiz_questions import QUIZZES, Question, read_questions
from tinybert_l.errors import CourseError
from tinybert_l.languages import LANGUAGES

TELLING_LENGTH = 24  # characters, white space aside; a shorter line may be equal by chance
PIECE = TELLING_LENGTH // 2
TELLING_PROSE = 40  # likewise, in model answers to essays
NESTING = 4  # archives within archives that are opened
ESSAYS = "essays.md"  # in solutions/: model answers to what people grade
_MESSAGE = ('f"', '"', "raiseValueError")  # an error's text, which visible tests ask for
# alone on its line: documents name the markers within a sentence
_MARKER = re.compile(rf"^\s*(?:{BEGIN_SOLUTION}|{BEGIN_HIDDEN_TESTS})\s*$", re.MULTILINE)
# base64, also in lines: pictures, fonts and files within a page
_ENCODED = re.compile(r"(?:[A-Za-z0-9+/]{32,}(?:\\n|\s)?)+[A-Za-z0-9+/]*={0,2}")
_LONG = re.compile(r"[A-Za-z0-9+/=]{200,}")  # no text, but base64
_IMPORT = re.compile(r"(?:from[\w.]+)?import[\w.,*()]+")
_TAG = re.compile(r"<[^<>]*>")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NUMBERED = re.compile(r"\\u([0-9a-fA-F]{4})")  # likewise
_ESCAPED = re.compile(r"\\(?:n|t|r)|\\(?=[\"'/])")  # in JSON and JavaScript
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")  # how gzip, bzip2 and xz begin
Secrets = Mapping[str, str]  # {squeezed line: where it comes from}


class LeakError(CourseError, RuntimeError):
    """Something to be published holds what students must not see."""


def require_none(leaks: list[str], what: str) -> None:
    """Raise `LeakError`, which lists them, where there are leaks.

    Args:
        what: was to be published, such as "the site".
    """
    if leaks:
        shown = "\n".join(leaks[:20])
        raise LeakError(f"{len(leaks)} leaks in {what}; nothing is published 发现泄露:\n{shown}")


def read_secrets(sources: Path, solutions: Path, given_out: Set[int] = frozenset()) -> Secrets:
    """Collect the lines that nobody may see who does not teach.

    Not secret is what also stands in the open part of a locked cell, and what several hidden tests
    share, which tells nothing of any exercise.

    Args:
        sources: the notebooks with answers and hidden tests.
        solutions: the reference answers.
        given_out: lectures whose answers are no secret any more.
    """
    secrets: dict[str, str] = {}
    for path in sorted(solutions.glob("lecture_*.py")):
        if lecture_of(path) not in given_out:
            bodies = "\n".join(_bodies(path.read_text(encoding="utf-8")))
            secrets |= dict.fromkeys(_telling_lines(bodies), path.name)
    if (solutions / ESSAYS).is_file():
        text = (solutions / ESSAYS).read_text(encoding="utf-8")
        secrets |= dict.fromkeys(_telling_prose(text), ESSAYS)
    for path in sorted((solutions / QUIZZES).glob("lecture_*.toml")):
        for question in read_questions(solutions, lecture_of(path)):
            secrets |= dict.fromkeys(quiz_secrets(question), f"{QUIZZES}/{path.name}")
    public: list[str] = []
    cells_with_line: Counter[str] = Counter()
    for notebook in sorted(sources.glob("*/*.ipynb")):
        for cell in nbformat.read(notebook, as_version=4).cells:
            hidden: set[str] = set()
            is_locked = cell.metadata.get("nbgrader", {}).get("locked")
            if not is_locked and not hidden_tests(cell.source):
                continue
            for source in _in_each_language(cell):
                hidden.update(_telling_lines("\n".join(hidden_tests(source))))
                if is_locked:
                    public.append(_squeeze_code(without_regions(source)))
            secrets |= dict.fromkeys(hidden, f"hidden test of {notebook.name}")
            cells_with_line.update(hidden)
    open_text = "\n".join(public)
    kept = {}
    for line, origin in secrets.items():
        if cells_with_line[line] <= 1 and line not in open_text:
            kept[line] = origin
    return kept


def _in_each_language(cell: nbformat.NotebookNode) -> set[str]:
    """Return a cell's source, and as releases in one language hold it."""
    if cell.cell_type != "code":
        return {cell.source}
    return {cell.source, *(cell_in_language(cell.source, language) for language in LANGUAGES)}


def scan(path: Path, secrets: Secrets) -> list[str]:
    """List what a file or a folder gives away, archives in it included; empty when nothing."""
    leaks = []
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                leaks += scan_bytes(file.relative_to(path).as_posix(), file.read_bytes(), secrets)
    else:
        leaks += scan_bytes(path.name, path.read_bytes(), secrets)
    return leaks


def scan_bytes(name: str, content: bytes, secrets: Secrets, depth: int = 0) -> list[str]:
    """List what a file of this name and content gives away."""
    if depth < NESTING:
        members = list(_members(content))
        if members:
            leaks = []
            for member, inner in members:
                leaks += scan_bytes(f"{name}/{member}", inner, secrets, depth + 1)
            return leaks
    return scan_text(name, _text_of(name, content), secrets, depth)


def scan_text(name: str, text: str, secrets: Secrets, depth: int = 0) -> list[str]:
    """List the markers and the secret lines in a text, each once."""
    leaks = set()
    if depth < NESTING:
        for encoded in _ENCODED.findall(text):
            leaks.update(scan_bytes(name, _decoded(encoded), secrets, depth + 1))
    for form in _forms(_LONG.sub(" ", text)):
        for marker in _MARKER.findall(form):
            leaks.add(f"{name}: {marker.strip()}")
        for line in _lines_in(_squeeze(form), secrets):
            leaks.add(f"{name}: {secrets[line]}: {line}")
    return sorted(leaks)


def _decoded(encoded: str) -> bytes:
    """Return what a text in base64 stands for; nothing where it is another long word."""
    characters = re.sub(r"\\n|\s|=", "", encoded)
    try:
        return base64.b64decode(characters + "=" * (-len(characters) % 4))
    except binascii.Error:
        return b""


def _forms(text: str) -> Iterator[str]:
    """Yield a text, and as it reads without its markup and its escapes."""
    yield text
    if "\0" in text:  # a picture or a font has none
        return
    if "<" in text or "&" in text:
        yield html.unescape(_TAG.sub("", text))
        yield html.unescape(html.unescape(text))  # also what stands in the tags
    if "\\" in text:
        numbered = _NUMBERED.sub(lambda found: chr(int(found[1], 16)), text)
        yield _ESCAPED.sub("\n", html.unescape(_TAG.sub("", numbered)))
        yield _ESCAPED.sub("\n", numbered)
    if "%" in text:
        yield unquote(text)


def _lines_in(squeezed: str, secrets: Secrets) -> Iterator[str]:
    """Yield the secret lines that stand in a squeezed text.

    Wherever a line of two pieces' length stands, one of the text's own pieces lies wholly in it. So
    it is enough to look up every piece of the text, and not every place.
    """
    by_piece, short = _index(tuple(secrets))
    for line in short:
        if line in squeezed:
            yield line
    for place in range(0, len(squeezed) - PIECE + 1, PIECE):
        for offset, line in by_piece.get(squeezed[place : place + PIECE], ()):
            if place >= offset and squeezed.startswith(line, place - offset):
                yield line


@lru_cache(maxsize=4)
def _index(lines: tuple[str, ...]) -> tuple[dict[str, list[tuple[int, str]]], list[str]]:
    """Return the pieces that may lie in long lines, with their offsets; and the short lines."""
    by_piece: dict[str, list[tuple[int, str]]] = {}
    for line in lines:
        if len(line) >= TELLING_LENGTH:
            for offset in range(PIECE):
                by_piece.setdefault(line[offset : offset + PIECE], []).append((offset, line))
    return by_piece, [line for line in lines if len(line) < TELLING_LENGTH]


def lecture_of(answers: Path) -> int:
    """Read the number from a path such as lecture_03.py."""
    return int(answers.stem.removeprefix("lecture_"))


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file in an archive; nothing where it is none."""
    stream = io.BytesIO(content)
    if content.startswith(b"PK") and zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    yield entry.filename, archive.read(entry)
    elif content.startswith(_COMPRESSED) and _is_tar(content):
        with tarfile.open(fileobj=stream) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is not None:
                    yield member.name, file.read()


def _is_tar(content: bytes) -> bool:
    try:
        with tarfile.open(fileobj=io.BytesIO(content)):
            return True
    except (tarfile.TarError, OSError, EOFError):
        return False


def _text_of(name: str, content: bytes) -> str:
    """Return a file's text; of a notebook all texts in it, its metadata and outputs included."""
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # from Windows
    text = content.decode("utf-16" if is_utf_16 else "utf-8", errors="replace")
    if not name.endswith(".ipynb"):
        return text
    try:
        return "\n".join(_texts(json.loads(text)))
    except ValueError:  # no notebook: its text, then
        return text


def _texts(tree: Any) -> Iterator[str]:
    """Yield every text in plain data; the lines of a list are one text."""
    if isinstance(tree, str):
        yield _COLOUR.sub("", tree)
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _texts(value)
    elif isinstance(tree, list):
        if all(isinstance(part, str) for part in tree):
            yield _COLOUR.sub("", "".join(tree))
        else:
            for part in tree:
                yield from _texts(part)


def _bodies(source: str) -> Iterator[str]:
    """Yield the statements of a module's functions, without signatures and imports."""
    for function in ast.parse(source).body:
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                yield ast.get_source_segment(source, statement) or ""


def _telling_lines(code: str) -> set[str]:
    """Squeeze lines of code; keep those that are long enough and no text or error message."""
    telling = set()
    for line in map(_squeeze_code, code.splitlines()):
        tells_nothing = line.startswith(_MESSAGE) or _IMPORT.fullmatch(line)
        if len(line) >= TELLING_LENGTH and not tells_nothing:
            telling.add(line)
    return telling


def quiz_secrets(question: Question) -> Iterator[str]:
    """Yield a question's answer as students may write it, and what is said of wrong ones."""
    for answer in {question.answer, question.answer.lower()}:
        yield _squeeze(f"{question.name} = {answer}")
        yield _squeeze(f"{question.name} = {answer}".replace('"', "'"))
    said = [text for _, text in question.near] + list(question.misconceptions.values())
    for text in [*said, question.otherwise]:
        for half in (text.en, text.zh):
            if len(_squeeze(half)) >= TELLING_LENGTH or (half == text.zh and len(half) >= 12):
                yield _squeeze(half)


def _telling_prose(text: str) -> set[str]:
    """Squeeze the lines of model answers, without headings and the introduction."""
    _, _, answers = text.partition("\n**")
    lines = map(_squeeze, answers.splitlines())
    return {line for line in lines if len(line) >= TELLING_PROSE}


def _squeeze(text: str) -> str:
    """Drop white space."""
    return re.sub(r"\s+", "", text)


def _squeeze_code(code: str) -> str:
    """Drop white space and comments from code."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code.strip()).readline))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return _squeeze(code)
    kept = "".join(token.string for token in tokens if token.type != tokenize.COMMENT)
    return _squeeze(kept)
