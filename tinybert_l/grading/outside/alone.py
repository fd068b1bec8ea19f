"""Find the cells of a submission that an answer builds on, to ask it once more without the others.

All cells of a notebook share one process, so a mistake in one of them can harm every answer below
it: `sys.modules.clear()`, `torch.softmax = None`, a signal, a closed file. What an answer earns is
to hang on itself and on what it builds on. Code is read here, and never run.
"""

import builtins
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tinybert_l.grading.inside.names import names_in

_CELL_MAGIC = re.compile(r"\s*%%(?P<name>\w+)(?P<rest>.*)\n")
_FILE_MAGICS = ("writefile", "file")  # what they write may be imported
_OTHER_LANGUAGES = frozenset(
    ("bash", "sh", "script", "html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG",
     "perl", "ruby", "cmd")
)  # fmt: skip
STUB = "raise NotImplementedError"  # stands in what nobody has answered
_IMPORTED = re.compile(r"^\s*(?:from|import)\s+(\w+)", re.MULTILINE)


def gives_answer(exercise: str, source: str) -> bool:
    """Tell whether a cell gives an exercise its answer."""
    name = re.escape(exercise)
    return bool(re.search(rf"\b{name}\b(?:\s*\.\s*implement\b|\s*[:=,])", source))


def is_answer_to(exercises: Iterable[str], source: str) -> bool:
    """Tell whether a cell gives one of several exercises its answer."""
    return any(gives_answer(exercise, source) for exercise in exercises)


class Cells:
    """The cells of a submission, and what each defines and reads.

    Args:
        setup: sources of the locked set-up cells, which are run in any case.
        sources: of the submission's cells.
    """

    def __init__(self, setup: Sequence[str], sources: Sequence[str]) -> None:
        self.setup = setup
        self.sources = sources

    @cached_property
    def _names(self) -> list[tuple[set[str], set[str]]]:
        return list(map(_names_of, self.sources))

    @cached_property
    def _given(self) -> set[str]:
        """Names that stand for the same in every cell: Python's own, and those of the set-up."""
        given = set(dir(builtins))
        for source in self.setup:
            given |= _names_of(source)[0]
        return given

    def needed(self, exercises: Iterable[str]) -> list[int]:
        """Return the indices of the cells on which the answers to exercises build, in order."""
        found: set[int] = set()
        answers = set(exercises)
        known = set(answers)
        waiting = sorted(answers)
        while waiting:
            name = waiting.pop()
            for index in self._cells_of(name, name in answers, found):
                if index not in found:
                    found.add(index)
                    new = self._names[index][1] - known
                    known |= new
                    waiting += sorted(new)
        return sorted(found)

    def _cells_of(self, name: str, is_answer: bool, found: set[int]) -> list[int]:
        """Return the cells that define a name: those above the answer, else those below it.

        Args:
            is_answer: whether it is an exercise whose answer is looked for.
            found: cells so far.
        """
        if name in dir(builtins):
            return []
        if is_answer or name in self._given:  # of the set-up's, cells may answer exercises alone
            givers = [n for n, source in enumerate(self.sources) if gives_answer(name, source)]
            return givers
        definers = [n for n, (defined, _) in enumerate(self._names) if name in defined]
        above = [n for n in definers if n <= max(found, default=len(self.sources))]
        return above or definers


def _names_of(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell defines, and those that it needs from other cells.

    A file is a name that ends in ".py". What cannot be read has none.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    magic = _CELL_MAGIC.match(source)
    if magic and magic["name"] in _FILE_MAGICS:
        return {Path(magic["rest"].strip()).name}, set()
    if magic and magic["name"] in _OTHER_LANGUAGES:
        return set(), set()
    if magic:
        source = source[magic.end() :]
    try:
        defined, read = names_in(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(), set()
    files = {f"{module}.py" for module in _IMPORTED.findall(source)}
    return defined, (read - defined) | files


@dataclass(frozen=True)
class Failed:
    """A test that failed.

    Args:
        index: its number in the plan.
        error: that ended it, by name.
        asked: the exercises that it called.
        count: how many cells had been run before it.
    """

    index: int
    error: str
    asked: frozenset[str]
    count: int


def harmed(failed: Sequence[Failed], cells: Cells) -> Iterator[tuple[Failed, list[int]]]:
    """Yield the tests that something beside their own answers may have failed.

    With each come the indices of the cells that its answers need. What was never answered, and a
    single answer that does not end, have failed by themselves.
    """
    timed_out = {test.asked for test in failed if test.error == "TimedOut"}
    for test in failed:
        needed = cells.needed(test.asked)
        others = set(range(test.count)) - set(needed)
        is_stub = any(STUB in cells.sources[index] for index in needed)
        hangs = test.error == "TimedOut" and len(timed_out) == 1
        if needed and others and not is_stub and not hangs:
            yield test, needed
