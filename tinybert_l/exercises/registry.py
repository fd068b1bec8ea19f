"""The holes: library functions whose bodies the students write.

A hole is an ordinary function with a signature and a docstring, and no body. Calling it runs, in
this order: the student's answer, the released reference answer, a peer from a well-kept library.
Where there is none of them it raises `MissingAnswer`, which says where the answer is to be written.

Does not isolate anything: a student's answer runs in this process.
"""

import functools
import importlib
import importlib.util
import inspect
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Generic, ParamSpec, Protocol, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

NOTEBOOKS = {
    1: "01-concepts",
    2: "02-joint-learning",
    3: "03-architecture",
    4: "04-training",
    5: "05-applications",
    6: "06-trade-offs",
    7: "07-improvements",
    8: "08-text-classification",
    9: "09-text-generation",
    10: "10-discussion",
    11: "11-references",
}


class AnswerError(TypeError):
    """An answer that cannot take its place: its name or its arguments differ from the exercise's."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class MissingAnswer(NotImplementedError):
    """An exercise was called that has no answer yet."""

    met: ClassVar[list[str]] = []  # exercises whose absence has stopped a cell since `begin`

    def __init__(self, exercise: "Exercise[..., Any]") -> None:
        self.exercise = exercise
        self.met.append(exercise.name)
        super().__init__(
            f"{exercise.name} has no answer yet: it is an exercise of lecture {exercise.lecture}. "
            f"Write it in the notebook {exercise.notebook}.ipynb, in the cell that begins with "
            f"@{exercise.name}.implement, run that cell, then run this one again. "
            f"{exercise.name}还没有答案：请在笔记本{exercise.notebook}.ipynb中以@{exercise.name}.implement"
            "开头的单元格里完成它，运行后再回到这里。"
        )

    def _render_traceback_(self) -> list[str]:
        return [f"MissingAnswer: {self}"]  # the way through the library is of no help to its reader


@dataclass
class Exercise(Generic[P, R]):
    """One exercise and the answers that can fill it.

    Args:
        stub: the specification: signature and docstring, no body.
        lecture: the lecture (1..11) whose notebook sets it.
        minutes: effort for a student who has read the lecture up to it.
        points: what its tests are worth together.
        title_zh, title_en: its title in both languages.
        needs: exercises whose idea it builds on.
        peer: the stand-in that serves before the lecture; it may do less than the exercise asks.
    """

    stub: Callable[P, R]
    lecture: int
    minutes: int
    points: int
    title_zh: str
    title_en: str
    needs: tuple[str, ...] = ()
    peer: Callable[P, R] | None = None
    student: Callable[P, R] | None = None
    reference: Callable[P, R] | None = None
    peer_allowed: bool = True

    @property
    def name(self) -> str:
        return self.stub.__name__

    @property
    def notebook(self) -> str:
        return NOTEBOOKS[self.lecture]

    @property
    def source(self) -> str:
        """Whose answer a call will use: student, reference, peer or missing."""
        for source in ("student", "reference"):
            if getattr(self, source) is not None:
                return source
        return "peer" if self.stand_in is not None else "missing"

    @property
    def stand_in(self) -> Callable[P, R] | None:
        """The peer; closed in the exercise's own lecture, where it would pass for an answer."""
        return self.peer if self.peer_allowed else None

    def call(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self.student is not None:
            try:
                return self.student(*args, **kwargs)
            except NotImplementedError as error:
                if not self.is_unanswered(error):
                    raise
            except Exception as error:
                error.add_note(
                    f"(in your answer to {self.name}, lecture {self.lecture}, notebook {self.notebook}.ipynb"
                    f" / 出自你对{self.name}的解答)"
                )
                raise
        fallback = self.reference or self.stand_in
        if fallback is None:
            raise MissingAnswer(self) from None
        return fallback(*args, **kwargs)

    def is_unanswered(self, error: NotImplementedError) -> bool:
        """Whether the student's answer itself raised this, as the stub does that students get."""
        return self.student is not None and _raised_by(error, self.student)

    def accept(self, answer: Callable[P, R]) -> None:
        """Take a student's answer. Raises `AnswerError` when its name or arguments differ."""
        where = f"{self.name} (lecture {self.lecture}, notebook {self.notebook}.ipynb)"
        if not inspect.isfunction(answer):
            raise AnswerError(f"{where}: expected a function, got {type(answer).__name__}.")
        if answer.__name__ != self.name:
            raise AnswerError(
                f"{where}: the answer is called {answer.__name__}; call it {self.name}. 函数名应为{self.name}。"
            )
        wanted, got = _parameters(self.stub), _parameters(answer)
        if wanted != got:
            raise AnswerError(
                f"{where}: the arguments are ({', '.join(got)}); they must be ({', '.join(wanted)}). "
                f"参数必须是({', '.join(wanted)})。"
            )
        self.student = cast(Callable[P, R], answer)


class Hole(Protocol[P, R_co]):
    """What `@exercise` makes of a stub: the function itself, and a way to answer it."""

    __name__: str
    exercise: Exercise[..., Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def implement(self, answer: Callable[..., Any], /) -> "Hole[P, R_co]": ...


_EXERCISES: dict[str, Exercise[..., Any]] = {}


def exercise(
    lecture: int,
    *,
    minutes: int,
    points: int,
    zh: str,
    en: str,
    needs: tuple[str, ...] = (),
    peer: Callable[..., Any] | None = None,
) -> Callable[[Callable[P, R]], Hole[P, R]]:
    """Make an exercise of a stub. The arguments are those of `Exercise`; zh and en are its titles."""
    if lecture not in NOTEBOOKS:
        raise ValueError(f"exercise: lecture={lecture!r}; allowed: 1 to {max(NOTEBOOKS)}.")

    def decorate(stub: Callable[P, R]) -> Hole[P, R]:
        entry = Exercise(stub, lecture, minutes, points, zh, en, needs, peer)
        _EXERCISES[stub.__name__] = entry

        @functools.wraps(stub)
        def hole(*args: P.args, **kwargs: P.kwargs) -> R:
            return entry.call(*args, **kwargs)

        def implement(answer: Callable[..., Any], /) -> Hole[P, R]:
            """Use this function wherever the library calls the exercise; returns the hole itself."""
            entry.accept(answer)
            return typed

        typed = cast(Hole[P, R], hole)
        hole.implement = implement  # type: ignore[attr-defined]
        hole.exercise = entry  # type: ignore[attr-defined]
        return typed

    return decorate


def exercises() -> dict[str, Exercise[..., Any]]:
    """All exercises by name, in the order of their lectures. Needs no torch."""
    for file in sorted(Path(__file__).parent.glob("lecture_*.py")):
        importlib.import_module(f"{__package__}.{file.stem}")
    return dict(sorted(_EXERCISES.items(), key=lambda item: item[1].lecture))


def find_exercise(name: str) -> Exercise[..., Any]:
    """The exercise of that name; `ValueError` lists those there are."""
    known = exercises()
    if name not in known:
        raise ValueError(f"There is no exercise {name!r}; there are: {', '.join(known)}.")
    return known[name]


def begin(lecture: int, *, mine: bool = False, demo: bool = False) -> None:
    """Open a lecture's notebook: released answers of earlier lectures come into use, and are listed.

    Args:
        lecture: number of the lecture, 1..11. Reference answers of this lecture or a later one are
            never used.
        mine: take your own answers of earlier lectures (from the notebooks beside this one) first.
        demo: for lecturers, in a checkout that holds all solutions: use every reference answer.

    Raises:
        ValueError: there is no such lecture.
        FileNotFoundError: `demo=True` without a solutions folder.
    """
    if lecture not in NOTEBOOKS:
        raise ValueError(f"begin: lecture={lecture!r}; allowed: 1 to {max(NOTEBOOKS)}.")
    known = exercises()
    folder = solutions_folder()
    if demo and folder is None:
        raise FileNotFoundError(
            "begin: demo=True needs the folder solutions/ of the instructor's checkout, and there is none here. "
            "demo=True需要教师版中的solutions/目录。"
        )
    for entry in known.values():
        entry.reference = None
        entry.peer_allowed = entry.lecture != lecture
    for number in NOTEBOOKS if demo else range(1, lecture):
        _load_references(folder, number, known)
        if mine and number < lecture:
            _load_own_answers(number, known)
    MissingAnswer.met.clear()
    _explain_missing_names()
    _print_sources(lecture, known)


def solutions_folder() -> Path | None:
    """The folder of released answers: TINYBERT_L_SOLUTIONS alone when set, else the nearest solutions/."""
    named = os.environ.get("TINYBERT_L_SOLUTIONS")
    if named is not None:
        return Path(named)
    here = Path.cwd().resolve()
    beside_the_library = Path(__file__).resolve().parents[2]
    for place in (here, *here.parents, beside_the_library):
        if any((place / "solutions").glob("lecture_*.py")):
            return place / "solutions"
    return None


def copy_released(lecture: int, folder: Path, source: Path | None = None) -> Path:
    """Copy the answers of lectures before `lecture` into a folder: all that an answer to it may see.

    Args:
        source: the folder of all answers; None: `solutions_folder()`.
    """
    source = source or solutions_folder()
    for number in range(1, lecture):
        path = source / f"lecture_{number:02d}.py" if source else None
        if path and path.is_file():
            shutil.copy(path, folder)
    return folder


def load_solutions(path: Path) -> ModuleType:
    """Import one file of reference answers, without leaving anything behind it."""
    spec = importlib.util.spec_from_file_location(f"tinybert_l_solutions.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported as a Python module.")
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
    return module


def answer_cells(notebook: Path) -> dict[str, str]:
    """{exercise: source} of a notebook's answer cells."""
    cells = json.loads(notebook.read_text(encoding="utf-8-sig"))["cells"]
    sources = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    found = ((re.search(r"^@(\w+)\.implement\b", source, re.M), source) for source in sources)
    return {match.group(1): source for match, source in found if match}


def _load_references(
    folder: Path | None, lecture: int, known: dict[str, Exercise[..., Any]]
) -> None:
    path = folder / f"lecture_{lecture:02d}.py" if folder else None
    if path is None or not path.is_file():
        return
    module = load_solutions(path)
    for entry in known.values():
        if entry.lecture == lecture and hasattr(module, entry.name):
            entry.reference = getattr(module, entry.name)


def _load_own_answers(lecture: int, known: dict[str, Exercise[..., Any]]) -> None:
    name = NOTEBOOKS[lecture]
    places = (Path(f"{name}.ipynb"), Path("..") / name / f"{name}.ipynb")
    notebook = next((place for place in places if place.is_file()), None)
    if notebook is None:
        return
    for exercise_name, source in answer_cells(notebook).items():
        entry = known.get(exercise_name)
        if entry is None or entry.lecture != lecture:
            continue
        namespace: dict[str, Any] = {
            name: importlib.import_module(name) for name in ("torch", "math")
        }
        namespace[exercise_name] = sys.modules[entry.stub.__module__].__dict__[exercise_name]
        exec(compile(source, str(notebook), "exec"), namespace)


def _print_sources(lecture: int, known: dict[str, Exercise[..., Any]]) -> None:
    words = {
        "student": "your answer 你的解答",
        "reference": "reference answer 参考答案",
        "peer": "a library's stand-in 其他库的替代实现",
        "missing": "yours to write 待你完成",
    }
    print(f"TinyBERT-L · lecture 第{lecture}讲 · {NOTEBOOKS[lecture]}")
    for source, label in words.items():
        names = [
            e.name
            for e in known.values()
            if e.source == source and (e.lecture <= lecture or source != "missing")
        ]
        if names:
            print(f"  {label}: {', '.join(names)}")


def _explain_missing_names() -> None:
    """In a notebook: a name that is missing because an earlier cell lacked an answer is said to be just that."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return

    def explain(
        shell: Any, kind: type, error: NameError, traceback: Any, tb_offset: int | None = None
    ) -> list[str]:
        if not MissingAnswer.met:
            lines = shell.InteractiveTB.structured_traceback(
                kind, error, traceback, tb_offset=tb_offset
            )
            shell._showtraceback(kind, error, lines)  # IPython leaves showing it to the handler
            return lines
        names = ", ".join(dict.fromkeys(MissingAnswer.met))
        error.args = (
            f"{error}: an earlier cell was to make it, but stopped because {names} has no answer yet. Answer it, then "
            f"choose Run All. 前面的单元格因{names}还没有答案而中断；完成后请重新运行全部。",
        )
        shell._showtraceback(kind, error, [f"NameError: {error}"])
        return [f"NameError: {error}"]

    shell.set_custom_exc((NameError,), explain)


def _parameters(function: Callable[..., Any]) -> list[str]:
    """Names, kinds and defaults; annotations are the author's own business."""
    shown = []
    for parameter in inspect.signature(function).parameters.values():
        shown.append(str(parameter.replace(annotation=inspect.Parameter.empty)))
    return shown


def _raised_by(error: BaseException, function: Callable[..., Any]) -> bool:
    """Whether the error was raised by a statement of the function itself, not by what it called."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame is not None and frame.tb_frame.f_code is getattr(function, "__code__", None)
