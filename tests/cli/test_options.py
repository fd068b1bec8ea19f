"""Options that commands share become one value: the models', and the course."""

import errno
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from filelock import FileLock

from tinybert_l.cache import _lock, cache_root, write_atomically
from tinybert_l.cli.courses import open_course, pass_course
from tinybert_l.cli.options import ModelOptions, model_options
from tinybert_l.errors import InvalidInput
from tinybert_l.grading.course import Course
from tinybert_l.method.data import Table
from tinybert_l.method.recipe import COURSE_RECIPE
from tinybert_l.method.teacher import DEFAULT_TEACHER, TeacherRecipe


def options_of(*words: str) -> ModelOptions:
    """The value that a command gets for these words."""
    received = []

    @click.command()
    @model_options(from_scratch=True)
    def command(options: ModelOptions) -> None:
        received.append(options)

    result = CliRunner().invoke(command, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return received[0]


def test_without_options_the_recipes_are_the_default_ones():
    options = options_of()
    assert options == ModelOptions()
    assert options.teacher_recipe == DEFAULT_TEACHER
    assert options.student_recipe == COURSE_RECIPE


def test_every_option_reaches_the_recipes():
    options = options_of("--quick", "--seed", "3", "--precision", "float32", "--from-scratch")
    assert options == ModelOptions(True, "float32", 3, None, True)
    common = {"seed": 3, "precision": "float32"}
    assert options.teacher_recipe == TeacherRecipe(quick=True, epochs=1, **common)
    assert options.student_recipe == replace(
        COURSE_RECIPE, num_steps=16, checkpoint_every=8, **common
    )


def test_own_texts_become_a_table_with_an_absolute_path(tmp_path, monkeypatch):
    (tmp_path / "my.csv").write_text("body,topic\n")
    monkeypatch.chdir(tmp_path)
    columns = ["--text-column", "body", "--label-column", "topic"]
    table = Table(str(tmp_path / "my.csv"), "body", "topic")
    assert options_of("--data", "my.csv", *columns).table == table
    assert options_of("--data", "my.csv").table == Table(table.path, "text", "label")


def test_a_sub_model_is_found_by_its_name():
    assert ModelOptions().find_sub_model("3x0.5").name == "3x0.5"
    with pytest.raises(InvalidInput, match=r"'5x0.5'; allowed: 2x0.25"):
        ModelOptions().find_sub_model("5x0.5")


def test_the_course_is_the_one_around_or_that_of_the_output_folder(tmp_path, monkeypatch):
    (tmp_path / "mine" / "notebooks").mkdir(parents=True)
    (tmp_path / "mine" / "course.toml").write_text("")
    monkeypatch.chdir(tmp_path / "mine" / "notebooks")
    assert open_course(None).folder == tmp_path / "mine"
    assert open_course(tmp_path / "other").folder == tmp_path / "other" / "course"
    monkeypatch.chdir(tmp_path)
    assert open_course(None).folder == tmp_path / "outputs" / "course"


@pytest.mark.parametrize("words", [[], ["--unsafe"]])
def test_a_command_gets_its_course(tmp_path, words):
    received = []

    @click.command()
    @click.option("--unsafe", is_flag=True)
    @pass_course
    def command(course: Course) -> None:
        received.append(course)

    CliRunner().invoke(command, ["--output", str(tmp_path), *words], catch_exceptions=False)
    assert received[0].folder == tmp_path / "course"
    assert received[0].unsafe == bool(words)


@pytest.mark.parametrize("named", ["cache", "$HOME/cache", "./cache"])
def test_a_cache_that_would_be_another_folder_everywhere_is_refused(monkeypatch, tmp_path, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYBERT_L_CACHE", named)
    with pytest.raises(InvalidInput, match="allowed: a whole path, such as /"):
        cache_root()
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("TINYBERT_L_CACHE", " ")  # as good as none
    assert cache_root().is_absolute() and cache_root().name == "tinybert-l"


def test_an_entry_that_another_process_makes_is_waited_for_with_a_word(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path))
    taken, said = threading.Event(), threading.Event()

    def hold() -> None:
        with FileLock(f"{tmp_path / 'teacher-0'}.lock"):
            taken.set()
            assert said.wait(60)

    def say(*words: object, **where: Any) -> None:
        print(*words, **where)
        said.set()

    monkeypatch.setattr("tinybert_l.cache.print", say, raising=False)
    threading.Thread(target=hold).start()
    assert taken.wait(60)
    with _lock(tmp_path / "teacher-0"):
        assert "Another process is making teacher-0; waiting" in capsys.readouterr().err
    with _lock(tmp_path / "teacher-0"):
        assert not capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named_as_the_user_knows_it(monkeypatch, tmp_path):
    def refuse(self: Path, text: str, **_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(OSError) as error:
        write_atomically(tmp_path / "course-home.ipynb", "text")
    assert error.value.filename == str(tmp_path / "course-home.ipynb")
