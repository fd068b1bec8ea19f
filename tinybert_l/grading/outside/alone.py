"""Find what an answer builds on in its notebook, to ask it once more without all the rest.

All cells of a notebook share one process, so a mistake in one of them can harm every answer below
it: `sys.modules.clear()`, `torch.softmax = None`, `np.seterr(all="raise")`, a signal, a closed
file. What an answer earns is to hang on itself and on what it builds on: cells that give an answer
are run whole, of all others the statements that define what those need. Code is read here, and
never run.
"""

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tinybert_l.grading.inside.names import names_in

STUB = "raise NotImplementedError"  # stands in what nobody has answered
# Here is none of what a notebook finds at home: Colab's drive, a file (%run: Exception), a person,
# a GPU (see `lacking`).
LACKING = frozenset(("ModuleNotFoundError", "ImportError", "FileNotFoundError", "UsageError",
                     "EOFError", "NotADirectoryError", "PermissionError", "URLError",
                     "ConnectionError", "gaierror", "Exception"))  # fmt: skip
_NO_DEVICE = re.compile(r"CUDA|NVIDIA|\bmps\b")  # in what torch says where no such device is
_CELL_MAGIC = re.compile(r"\s*%%(?P<name>\w+)(?P<rest>.*)\n")
_FILE_MAGICS = ("writefile", "file")  # what they write may be imported


@dataclass(frozen=True)
class Failed:
    """A test that failed.

    Args:
        index: its number in the plan.
        error: that ended it, by name.
        asked: the exercises that it called, and variables that were not there.
        count: how many cells had been run before it.
    """

    index: int
    error: str
    asked: frozenset[str]
    count: int


def harmed(
    failed: Sequence[Failed], cells: "Cells", errors: Sequence[str] = ()
) -> Iterator[tuple[Failed, list[str]]]:
    """Yield the tests that something beside their own answers may have failed.

    With each come the sources that its answers need. What was never answered, a cell that does not
    end, and a single answer that does not end have failed by themselves.

    Args:
        errors: that ended each cell, by name; empty where none did.
    """
    timed_out = {test.asked for test in failed if test.error == "TimedOut"}
    stopped = {n for n, error in enumerate(errors) if error in LACKING}
    endless = {cells.sources[n] for n, error in enumerate(errors) if error == "TimedOut"}
    for test in failed:
        needed = cells.needed(test.asked, stopped)
        is_smaller = needed != list(cells.sources[: test.count])
        is_stub = any(STUB in source for source in needed)
        hangs = test.error == "TimedOut" and len(timed_out) == 1
        hangs = hangs or not endless.isdisjoint(needed)
        if needed and is_smaller and not is_stub and not hangs:
            yield test, needed


def lacking(error: Mapping[str, Any] | None) -> str:
    """Return the name of a cell's error, be it that there is no GPU here; empty without one."""
    if error is None:
        return ""
    return "UsageError" if _NO_DEVICE.search(error["evalue"]) else str(error["ename"])


def gives_answer(exercise: str, source: str) -> bool:
    """Tell whether a cell gives an exercise its answer."""
    name = re.escape(exercise)
    return bool(re.search(rf"\b{name}\b(?:\s*\.\s*implement\b|\s*[:=,])", source))


@dataclass(frozen=True)
class _Statement:
    """A statement of a cell, or a cell that writes a file.

    Args:
        defined: names that it defines; a file is a name that ends in ".py".
        read: names that it needs from other statements.
        is_import: of modules, which it only names.
    """

    source: str
    defined: set[str]
    read: set[str]
    is_import: bool = False


class Cells:
    """The cells of a submission, and what each defines and needs.

    Args:
        setup: sources of the locked set-up cells, which are run in any case.
        sources: of the submission's cells.
    """

    def __init__(self, setup: Sequence[str], sources: Sequence[str]) -> None:
        self.setup = setup
        self.sources = sources

    @cached_property
    def _statements(self) -> list[list[_Statement]]:
        return list(map(_statements_of, self.sources))

    @cached_property
    def _given(self) -> set[str]:
        """Names that the set-up defines."""
        given = set()
        for source in self.setup:
            for statement in _statements_of(source):
                given |= statement.defined
        return given

    def needed(self, exercises: Iterable[str], stopped: Set[int] = frozenset()) -> list[str]:
        """Return the sources on which the answers to exercises build, in order.

        Args:
            stopped: cells of which the needed statements count alone, for they stopped at another.
        """
        waiting = sorted(exercises)
        answers = frozenset(waiting)
        known = set(waiting) | set(dir(builtins))
        whole: set[int] = set()
        parts: dict[int, set[int]] = {}  # {cell: its statements}
        while waiting:
            name = waiting.pop()
            found: list[_Statement] = []
            if name in answers or name in self._given:  # of these, cells change answers alone
                givers = self._givers(name, name in answers)
                whole.update(cell for cell in givers if cell not in stopped)
                chosen = list(self._answering(name, givers, stopped))
            else:
                chosen = self._definers(name, max(whole, default=len(self.sources)))
            for cell, number in chosen:
                parts.setdefault(cell, set()).add(number)
                found.append(self._statements[cell][number])
            new = set().union(*(statement.read for statement in found)) - known
            known |= new
            waiting += sorted(new)
        return [self._source(cell, whole, parts) for cell in sorted(whole | parts.keys())]

    def _givers(self, name: str, is_asked: bool) -> list[int]:
        """Return the cells that give an exercise its answer.

        Args:
            is_asked: a variable of that name is an answer, too, where there is no other.
        """
        implement = re.compile(rf"\b{re.escape(name)}\s*\.\s*implement\b")
        givers = [n for n, source in enumerate(self.sources) if implement.search(source)]
        if givers or not is_asked:
            return givers
        return [n for n, source in enumerate(self.sources) if gives_answer(name, source)]

    def _answering(
        self, name: str, cells: list[int], stopped: Set[int]
    ) -> Iterator[tuple[int, int]]:
        """Yield the statements of an exercise's answer, as (cell, number)."""
        for cell in cells:
            for number, part in enumerate(self._statements[cell]):
                if cell not in stopped or gives_answer(name, part.source):
                    yield cell, number

    def _definers(self, name: str, answer: int) -> list[tuple[int, int]]:
        """Return the statements that make a name what it is, as (cell, number).

        They are those above the answer's cell, or all where none is. What is only imported is not
        looked after any further: what is done to a module is a setting for all code.
        """
        found: list[tuple[int, int]] = []
        for cell, statements in enumerate(self._statements):
            defining = [part for part in statements if name in part.defined]
            if not defining or (cell > answer and found):
                continue
            only_imported = all(part.is_import for part in defining)
            for number, part in enumerate(statements):
                if name in part.defined or (name in part.read and not only_imported):
                    found.append((cell, number))
        return found

    def _source(self, cell: int, whole: set[int], parts: dict[int, set[int]]) -> str:
        if cell in whole:
            return self.sources[cell]
        return "\n".join(self._statements[cell][number].source for number in sorted(parts[cell]))


def _statements_of(source: str) -> list[_Statement]:
    """Return the statements of a cell; none where it is no Python."""
    from IPython.core.inputtransformer2 import TransformerManager

    magic = _CELL_MAGIC.match(source)
    if magic and magic["name"] in _FILE_MAGICS:
        return [_Statement(source, {Path(magic["rest"].strip()).name}, set())]
    if magic:
        source = source[magic.end() :]
    try:
        tree = ast.parse(TransformerManager().transform_cell(source))
        return list(map(_statement_of, tree.body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _statement_of(node: ast.stmt) -> _Statement:
    source = ast.unparse(node)
    defined, read = names_in(source)
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
    else:
        return _Statement(source, defined, read)
    return _Statement(source, defined, {f"{module}.py" for module in modules}, is_import=True)
