"""The registry of exercises: library functions whose bodies the students write.

An exercise is an ordinary function with a signature and a docstring, and no body: the stub. A call
runs the first of these that exists: the student's answer, the released reference answer, the
method's own function, a stand-in made from a well-kept library. The method's own function serves
where no lecture was begun, and in a lecture for exercises of earlier ones. If none exists, it
raises `MissingAnswer`, which says where the answer is to be written.

Does not isolate anything: a student's answer runs in this process.
"""

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.answer_errors import AnswerError, MissingAnswer, explain_missing_names
from tinybert_l.exercises.answers import answer_cells, find_own_notebook, run_answer_cell
from tinybert_l.exercises.released import (
    SolutionsFolder,
    find_solutions,
    has_answers,
    load_reference_answers,
    refused_solutions,
)
from tinybert_l.languages import LANGUAGES, in_words, use_language

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
SOURCE_LABELS = {
    "student": "your answer 你的解答",
    "reference": "reference answer 参考答案",
    "formula": "the method's own function 方法自带的函数",
    "peer": "a library's stand-in 其他库的替代实现",
    "missing": "yours to write 待你完成",
}


class ExerciseFunction(Protocol[P, R_co]):
    """The function that `@exercise` makes of a stub; `implement` gives it an answer."""

    __name__: str
    exercise: "Exercise[..., Any]"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def implement(self, answer: Callable[..., Any], /) -> "ExerciseFunction[P, R_co]": ...


@dataclass(eq=False)
class Exercise(Generic[P, R]):
    """An exercise: its specification, its place in the course, and the answers that it has.

    Args:
        stub: the specification: signature and docstring, no body.
        lecture: the lecture (1..11) whose notebook sets it.
        position: its place among the exercises of its lecture, counted from 1.
        minutes: effort for a student who has read the lecture up to it.
        points: what its tests are worth together.
        title_zh, title_en: its title in both languages.
        needs: names of the exercises whose idea it builds on.
        peer: the stand-in that serves before the lecture; it may do less than the exercise asks.
        student: the student's answer; set by `implement`.
        reference: the reference answer; set by `begin`.
        peer_allowed: whether the stand-in may serve; `begin` forbids it in the exercise's own
            lecture, where it would pass for an answer.
        formula_allowed: whether the method's own function (`formulas.py`) may serve;
            `begin` allows it for the exercises of earlier lectures alone.
        peer_differs: what the stand-in computes otherwise, in Chinese and English; None: for the
            arguments that the library gives it, it computes what the exercise asks.
    """

    stub: Callable[P, R]
    lecture: int
    position: int
    minutes: int
    points: int
    title_zh: str
    title_en: str
    needs: tuple[str, ...] = ()
    peer: Callable[P, R] | None = None
    student: Callable[P, R] | None = None
    reference: Callable[P, R] | None = None
    peer_allowed: bool = True
    formula_allowed: bool = True
    peer_differs: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.stub.__name__

    @property
    def number(self) -> str:
        """Lecture and position, such as "7.2" for the second exercise of lecture 7."""
        return f"{self.lecture}.{self.position}"

    @property
    def notebook(self) -> str:
        """The name of the notebook that sets it, without the ending."""
        return NOTEBOOKS[self.lecture]

    @property
    def source(self) -> str:
        """The kind of answer that a call uses: a key of `SOURCE_LABELS`."""
        if self.student is not None:
            return "student"
        if self.reference is not None:
            return "reference"
        if self.formula is not None:
            return "formula"
        return "missing" if self.stand_in is None else "peer"

    @property
    def formula(self) -> Callable[P, R] | None:
        """The method's own function where it may serve, else None."""
        own_function = self.own_function
        if not self.formula_allowed or own_function is None:
            return None

        def call_by_position(*args: P.args, **kwargs: P.kwargs) -> R:
            if kwargs:  # its parameters have other names
                given = inspect.signature(self.stub).bind(*args, **kwargs)
                given.apply_defaults()
                return own_function(*given.args)
            return own_function(*args)

        return call_by_position

    @property
    def own_function(self) -> Callable[..., R] | None:
        """The method's own function, by position; None where there is none, or it is hidden."""
        return _own_functions().get(self.name)

    @property
    def stand_in(self) -> Callable[P, R] | None:
        """The peer where it may serve, else None."""
        return self.peer if self.peer_allowed else None

    @functools.cached_property
    def function(self) -> ExerciseFunction[P, R]:
        """The function that the library and the notebooks call."""

        @functools.wraps(self.stub)
        def function(*args: P.args, **kwargs: P.kwargs) -> R:
            return self.call(*args, **kwargs)

        def implement(answer: Callable[..., Any], /) -> ExerciseFunction[P, R]:
            """Use `answer` wherever the library calls the exercise; return the exercise."""
            self.set_answer(answer)
            return typed_function

        function.implement = implement  # type: ignore[attr-defined]
        function.exercise = self  # type: ignore[attr-defined]
        typed_function = cast(ExerciseFunction[P, R], function)
        return typed_function

    def call(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the answer that `source` names.

        Raises:
            MissingAnswer: there is none.
        """
        if self.student is not None:
            try:
                return self.student(*args, **kwargs)
            except NotImplementedError as error:
                if not self.is_unanswered(error):
                    raise
            except Exception as error:
                error.add_note(
                    f"(in your answer to {self.name}, lecture {self.lecture}, "
                    f"notebook {self.notebook}.ipynb / 出自你对{self.name}的解答)"
                )
                raise
        fallback = self.reference or self.formula or self.stand_in
        if fallback is None:
            raise MissingAnswer(self) from None
        return fallback(*args, **kwargs)

    def is_unanswered(self, error: NotImplementedError) -> bool:
        """Whether the student's answer itself raised the error, as the released stub does."""
        return self.student is not None and _raised_by(error, self.student)

    def set_answer(self, answer: Callable[..., Any]) -> None:
        """Use a function as the student's answer.

        Raises:
            AnswerError: it is no function, or its name or arguments differ from the exercise's.
                What has no name, such as a lambda or a partial function, may be called.
        """
        where = f"{self.name} (lecture {self.lecture}, notebook {self.notebook}.ipynb)"
        if not callable(answer) or inspect.isclass(answer):
            raise AnswerError(f"{where}: expected a function, got {type(answer).__name__}.")
        name = getattr(answer, "__name__", LAMBDA)
        if name not in (self.name, LAMBDA):
            raise AnswerError(
                f"{where}: the answer is called {name}; call it {self.name}. "
                f"函数名应为{self.name}。"
            )
        expected, given = _parameters(self.stub), _parameters(answer)
        if given != expected:
            raise AnswerError(
                f"{where}: the arguments are ({', '.join(given)}); "
                f"they must be ({', '.join(expected)}). 参数必须是({', '.join(expected)})。"
            )
        self.replace_answer(cast(Callable[P, R], answer))

    def replace_answer(self, answer: Callable[..., Any] | None) -> None:
        """Use any callable as the student's answer, unchecked; None removes the answer."""
        self.student = answer

    def forget_answer(self) -> None:
        """Remove the student's answer."""
        self.replace_answer(None)

    @contextmanager
    def answered_by(self, answer: Callable[..., Any] | None) -> Iterator[None]:
        """Use another answer, unchecked, within a `with` statement; afterwards the one before."""
        previous_answer = self.student
        self.replace_answer(answer)
        try:
            yield
        finally:
            self.replace_answer(previous_answer)

    def signature_text(self) -> str:
        """The stub's parameters with their defaults and without annotations, as in source code.

        >>> find_exercise("layer_map").signature_text()
        "num_student_layers, num_teacher_layers, strategy='uniform'"
        """
        return ", ".join(_parameters(self.stub))


LAMBDA = "<lambda>"  # what Python calls a function without a name
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
    peer_differs: tuple[str, str] | None = None,
) -> Callable[[Callable[P, R]], ExerciseFunction[P, R]]:
    """Declare the decorated stub an exercise of a lecture.

    Args:
        lecture, minutes, points, needs, peer, peer_differs: as in `Exercise`.
        zh, en: its title in both languages.

    Raises:
        InvalidInput: there is no such lecture.
    """
    if lecture not in NOTEBOOKS:
        raise InvalidInput(f"exercise: lecture={lecture!r}; allowed: 1 to {max(NOTEBOOKS)}.")

    def decorate(stub: Callable[P, R]) -> ExerciseFunction[P, R]:
        declared = _of_lecture(_EXERCISES, lecture)
        known = declared.get(stub.__name__)  # when the file of the lecture is imported anew
        position = known.position if known else len(declared) + 1
        entry = Exercise(stub, lecture, position, minutes, points, zh, en, needs, peer)
        entry.peer_differs = peer_differs
        _EXERCISES[entry.name] = entry
        return entry.function

    return decorate


def exercises(lecture: int | None = None) -> dict[str, Exercise[..., Any]]:
    """Return exercises by name, in the order in which the lectures set them. Needs no torch.

    Args:
        lecture: return those of this lecture only.
    """
    for path in sorted(Path(__file__).parent.glob("lecture_*.py")):
        importlib.import_module(f"{__package__}.{path.stem}")
    ordered = sorted(_EXERCISES.values(), key=lambda entry: (entry.lecture, entry.position))
    by_name = {entry.name: entry for entry in ordered}
    if lecture is None:
        return by_name
    return _of_lecture(by_name, lecture)


def find_exercise(name: str) -> Exercise[..., Any]:
    """Return the exercise of that name.

    Raises:
        InvalidInput: there is none; the message lists those there are.
    """
    known = exercises()
    if name not in known:
        raise InvalidInput(f"There is no exercise {name!r}; there are: {', '.join(known)}.")
    return known[name]


def forget_answers() -> None:
    """Remove the student's answers to all exercises."""
    for entry in exercises().values():
        entry.forget_answer()


def begin(
    lecture: int, *, mine: bool = False, demo: bool = False, language: str | None = None
) -> None:
    """Open a lecture's notebook: load released answers of earlier lectures, and list them.

    Where an earlier exercise has neither your answer nor a released one, the method's own function
    serves from then on; in this lecture and later ones it never does.

    Args:
        lecture: number of the lecture, 1..11. Reference answers of this lecture or a later one are
            never used.
        mine: prefer your own answers of earlier lectures (from the notebooks beside this one).
        demo: for lecturers, in a checkout that holds all solutions: use every reference answer.
        language: "zh" or "en" shows figures, tables and messages in that language alone, as a
            release in one language asks for.

    Raises:
        InvalidInput: there is no such lecture or language.
        FileNotFoundError: `demo=True` without a solutions folder.
    """
    if lecture not in NOTEBOOKS:
        raise InvalidInput(f"begin: lecture={lecture!r}; allowed: 1 to {max(NOTEBOOKS)}.")
    if language is not None:
        if language not in LANGUAGES:
            raise InvalidInput(f"begin: language={language!r}; allowed: 'zh', 'en' or None.")
        use_language(language)
    found = find_solutions()
    folder = None if found is None else found.folder
    if demo and folder is None:
        raise FileNotFoundError(
            "begin: demo=True needs the folder solutions/ of the instructor's checkout, and there "
            "is none here. demo=True需要教师版中的solutions/目录。"
        )
    for entry in exercises().values():
        entry.reference = None
        entry.peer_allowed = entry.lecture != lecture
        entry.formula_allowed = entry.lecture < lecture
    for released_lecture in NOTEBOOKS if demo else range(1, lecture):
        _use_reference_answers(released_lecture, folder)
    if mine:
        for earlier_lecture in range(1, lecture):
            _use_own_answers(earlier_lecture)
    explain_missing_names()
    _print_sources(lecture)
    _print_folder(found)


def _own_functions() -> dict[str, Callable[..., Any]]:
    """Return the method's own functions by exercise; none where grading hides their file."""
    from tinybert_l.exercises import formulas

    return getattr(formulas, "FORMULAS", {})


def _of_lecture(
    known: dict[str, Exercise[..., Any]], lecture: int
) -> dict[str, Exercise[..., Any]]:
    return {name: entry for name, entry in known.items() if entry.lecture == lecture}


def _use_reference_answers(lecture: int, folder: Path | None) -> None:
    """Give the exercises of a lecture the answers of its solutions file, if there is one."""
    if folder is None:
        return
    answers = load_reference_answers(folder, lecture)
    for entry in exercises(lecture).values():
        entry.reference = answers.get(entry.name)


def _use_own_answers(lecture: int) -> None:
    """Run the answer cells of a lecture's notebook, if the notebook is here."""
    notebook = find_own_notebook(NOTEBOOKS[lecture])
    if notebook is None:
        return
    cells = answer_cells(notebook)
    for name, entry in exercises(lecture).items():
        if name in cells:
            run_answer_cell(notebook, cells[name], {name: entry.function})


def _print_sources(lecture: int) -> None:
    """Print for each exercise up to this lecture whose answer serves, and later stand-ins."""
    print(in_words(f"TinyBERT-L · lecture {lecture} 第{lecture}讲 · {NOTEBOOKS[lecture]}"))
    for source, label in SOURCE_LABELS.items():
        names = []
        for entry in exercises().values():
            is_shown = entry.lecture <= lecture or source != "missing"
            if entry.source == source and is_shown:
                names.append(entry.name)
        if names:
            print(f"  {in_words(label)}: {', '.join(names)}")


def _print_folder(found: SolutionsFolder | None) -> None:
    """Print whose reference answers were loaded, or why some that are here were not."""
    if found is not None and has_answers(found.folder):
        words = in_words("reference answers from 参考答案来自")
        print(f"  {words}: {found.folder} ({found.origin})")
    refusal = refused_solutions()
    if refusal is not None:
        print(f"  {in_words('not run 未运行')}: {refusal}")


def _parameters(function: Callable[..., Any]) -> list[str]:
    """Return names, kinds and defaults. Annotations are ignored: students annotate as they like."""
    shown = []
    for parameter in inspect.signature(function).parameters.values():
        shown.append(str(parameter.replace(annotation=inspect.Parameter.empty)))
    return shown


def _raised_by(error: BaseException, function: Callable[..., Any]) -> bool:
    """Whether a statement of the function itself raised the error, not of a function it called."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame is not None and frame.tb_frame.f_code is getattr(function, "__code__", None)
