"""Options that several commands share."""

import errno
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS

if TYPE_CHECKING:  # these need torch
    from tinybert_l.method.data import Table
    from tinybert_l.method.joint import Supernet
    from tinybert_l.method.recipe import JointRecipe
    from tinybert_l.method.teacher import Teacher, TeacherRecipe
    from tinybert_l.submodels import SubModel

P = ParamSpec("P")

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE_OR_FOLDER = click.Path(exists=True, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=Path)


class _Lecture(click.IntRange):
    name = "lecture"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if not str(value).strip().isdecimal():
            self.fail(f"{value!r}; allowed: {_numbers_allowed(str(value))}.", param, ctx)
        return int(super().convert(value, param, ctx))


LECTURE = _Lecture(1, 11)


def _numbers_allowed(name: str) -> str:
    """Say what names a lecture; of a notebook's name, which number it has."""
    allowed = "the number of a lecture, 1 to 11"
    for number, notebook in NOTEBOOKS.items():
        if name.strip() and notebook in (Path(name).stem, Path(name).name):
            return f"{allowed}; that is lecture {number}"
    return allowed


@dataclass(frozen=True)
class LectureChoice:
    """Lectures as a user names them: numbers, or all of them.

    Args:
        numbers: the lectures; None: all.
    """

    numbers: frozenset[int] | None

    def before(self, lecture: int) -> frozenset[int]:
        """Return the lectures that are meant; of all those before `lecture`."""
        return frozenset(range(1, lecture)) if self.numbers is None else self.numbers


class _Lectures(click.ParamType[LectureChoice]):
    """The value of an option that names lectures: all, none, or numbers such as 1,2."""

    name = "lectures"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> LectureChoice:
        if isinstance(value, LectureChoice):
            return value
        if value in ("all", "none"):
            return LectureChoice(None if value == "all" else frozenset())
        try:
            return LectureChoice(frozenset(map(int, value.split(","))))
        except ValueError:
            self.fail(f"{value!r}; allowed: all, none, or numbers such as 1,2.", param, ctx)


LECTURES = _Lectures()

lecture_argument = click.argument("lecture", type=LECTURE)
encoding_option = click.option(
    "--encoding",
    default="",
    metavar="NAME",
    help="Read the table so, such as gb18030 or cp1252. Default: found out.",
)
output_option = click.option(
    "--output",
    type=NEW_FOLDER,
    default=Path("outputs"),
    show_default=True,
    help="Write results into this folder.",
)
_QUICK = click.option(
    "--quick",
    is_flag=True,
    help="Use a small slice, to see it work within a minute; its numbers mean little.",
)
_PRECISION = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Set the precision of matrix products in training; auto measures which is faster here.",
)
_SEED = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Set the seed of all random numbers.",
)
_FROM_SCRATCH = click.option(
    "--from-scratch",
    is_flag=True,
    help="Train the teacher too, although the default one comes with the library.",
)
_DATA = (
    click.option(
        "--data",
        type=FILE,
        help="Learn from your own texts, CSV in UTF-8. Default: the embedded reviews.",
    ),
    click.option(
        "--text-column",
        default="text",
        show_default=True,
        help="Name the column of --data that holds the text.",
    ),
    click.option(
        "--label-column",
        default="label",
        show_default=True,
        help="Name the column of --data that holds the label.",
    ),
)


@dataclass(frozen=True)
class ModelOptions:
    """Says which teacher and which student a command works with.

    Args:
        quick: train and measure on a small slice.
        precision: of matrix products in training: "auto", "float32" or "bfloat16".
        seed: of all random numbers.
        table: the user's own texts; None: the embedded reviews.
        from_scratch: train the teacher although the default one comes with the library.
    """

    quick: bool = False
    precision: str = "auto"
    seed: int = 0
    table: "Table | None" = None
    from_scratch: bool = False

    @property
    def seconds(self) -> float:
        """Time for which each latency is measured."""
        return 0.1 if self.quick else 0.6

    @property
    def teacher_recipe(self) -> "TeacherRecipe":
        """The recipe of the teacher: the default one, or a single run on one's own or few texts."""
        from tinybert_l.method.teacher import DEFAULT_TEACHER

        recipe = replace(DEFAULT_TEACHER, seed=self.seed, precision=self.precision)
        if self.quick:
            recipe = replace(recipe, quick=True, epochs=1)
        if self.quick or self.table:
            recipe = replace(recipe, runs=1, table=self.table)
        return recipe

    def load_teacher(self) -> "Teacher":
        """Load the teacher; train it first when the cache has none."""
        from tinybert_l.method.teacher import load_teacher

        return load_teacher(self.teacher_recipe, self.from_scratch)

    @property
    def student_recipe(self) -> "JointRecipe":
        """The recipe of the jointly trained student."""
        from tinybert_l.method.recipe import COURSE_RECIPE

        recipe = replace(COURSE_RECIPE, seed=self.seed, precision=self.precision)
        return replace(recipe, num_steps=16, checkpoint_every=8) if self.quick else recipe

    def load_supernet(self) -> "Supernet":
        """Load the jointly trained student; train it, by the method's own functions, if need be."""
        from tinybert_l.method.joint import load_supernet

        return load_supernet(self.student_recipe, self.teacher_recipe, self.from_scratch)

    def find_sub_model(self, name: str) -> "SubModel":
        """Return the student's sub-model of that name.

        Raises:
            InvalidInput: the student has no such sub-model.
        """
        known = {sub_model.name: sub_model for sub_model in self.student_recipe.sub_models()}
        if name not in known:
            raise InvalidInput(f"SUB_MODEL {name!r}; allowed: {', '.join(known)}.")
        return known[name]


def model_options(
    *, precision: bool = True, data: bool = True, from_scratch: bool = False
) -> Callable[[Callable[Concatenate[ModelOptions, P], None]], Callable[..., None]]:
    """Add the options of `ModelOptions` to a command, which gets them as its first argument.

    Args:
        precision, data, from_scratch: whether the command has these options, besides --quick and
            --seed, which all have.
    """
    chosen = [_QUICK, _SEED]
    if precision:
        chosen.insert(1, _PRECISION)
    if from_scratch:
        chosen.append(_FROM_SCRATCH)
    if data:
        chosen.extend(_DATA)

    def decorate(command: Callable[Concatenate[ModelOptions, P], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_options(
            quick: bool,
            seed: int,
            precision: str = "auto",
            data: Path | None = None,
            text_column: str = "",
            label_column: str = "",
            from_scratch: bool = False,
            *args: P.args,
            **kwargs: P.kwargs,
        ) -> None:
            table = None if data is None else _table(data, text_column, label_column)
            options = ModelOptions(quick, precision, seed, table, from_scratch)
            command(options, *args, **kwargs)

        decorated: Callable[..., None] = with_options
        for option in reversed(chosen):
            decorated = option(decorated)
        return decorated

    return decorate


def require_writable(folder: Path) -> None:
    """Raise an error, before minutes of work, where their result could not be written.

    Raises:
        OSError: names the folder, or what stands in its way.
    """
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place.absolute()))


def require_onnx() -> None:
    """Raise an error, before anything is trained, where ONNX files could not be written or run.

    Raises:
        MissingPackage: names what is missing, and says how to install it.
    """
    from tinybert_l.method.onnx_files import import_optional

    for name in ("onnx", "onnxruntime"):
        import_optional(name)


def _table(path: Path, text_column: str, label_column: str) -> "Table":
    from tinybert_l.method.data import Table

    return Table(str(path.resolve()), text_column, label_column)
