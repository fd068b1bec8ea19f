"""Whose reference answers are run: the course's, a release's, the checkout's, and nobody else's."""

from pathlib import Path

import pytest

from tinybert_l import begin
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises import released
from tinybert_l.exercises.registry import find_exercise

ANSWERS = "def parameter_count(config, pooler=True):\n    return 'of this folder'\n"
NOTEBOOK = '{"cells": [{"metadata": {"nbgrader": {}}, "source": ["tinybert_l.begin(lecture=3)"]}]}'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with answers, two folders above the working directory; nothing marks it."""
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "lecture_01.py").write_text(ANSWERS)
    work = tmp_path / "some" / "work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.delenv("TINYBERT_L_SOLUTIONS", raising=False)
    return tmp_path


def folder_in_use():
    reference = find_exercise("parameter_count").reference
    return None if reference is None else Path(reference.__code__.co_filename).parent


def test_a_strangers_folder_is_not_run(folder, checkout, capsys):
    (folder / "solutions" / "lecture_02.py").write_text("raise SystemExit('stranger')")
    begin(3)
    assert released.solutions_folder() == checkout / "solutions"
    assert f"{checkout / 'solutions'} (the checkout" in capsys.readouterr().out


def test_in_an_install_a_strangers_folder_leaves_no_answers(folder, monkeypatch, capsys):
    path = folder / "site-packages" / "tinybert_l" / "exercises" / "released.py"
    (folder / "site-packages" / "solutions").mkdir(parents=True)
    (folder / "site-packages" / "solutions" / "lecture_01.py").write_text(ANSWERS)
    monkeypatch.setattr(released, "__file__", str(path))
    begin(3)
    assert released.solutions_folder() is None and folder_in_use() is None
    assert str(folder) not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content"), [("course.toml", 'course = "ours"\n'), ("03-architecture.ipynb", NOTEBOOK)]
)
def test_a_course_or_a_release_has_its_own(name, content, folder, capsys):
    (folder / name).write_text(content)
    begin(3)
    assert folder_in_use() == folder / "solutions"
    assert f"reference answers from 参考答案来自: {folder / 'solutions'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("course.toml", "[tool]\nname = 'another program'\n"),
        ("course.toml", "not toml"),
        ("03-architecture.ipynb", '{"cells": []}'),
        ("README.md", "tinybert_l.begin(lecture=3)"),
    ],
)
def test_what_only_looks_like_a_mark_is_none(name, content, folder, checkout):
    (folder / name).write_text(content)
    assert released.solutions_folder() == checkout / "solutions"


def test_a_link_that_leads_elsewhere_is_not_followed(folder, checkout, tmp_path_factory, capsys):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder / "solutions").rename(elsewhere / "solutions")
    (folder / "solutions").symlink_to(elsewhere / "solutions")
    (folder / "course.toml").write_text('course = "ours"\n')
    begin(3)
    assert folder_in_use() == checkout / "solutions"
    assert "outside" in capsys.readouterr().out


def test_another_users_answers_are_not_run(folder, checkout, monkeypatch, capsys):
    (folder / "course.toml").write_text('course = "ours"\n')
    owner = (folder / "solutions").stat().st_uid
    monkeypatch.setattr(released, "_trusted_owners", lambda: {owner + 1})
    begin(3)
    assert folder_in_use() == checkout / "solutions"
    assert "belongs to another user" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["solutions", "solutions/lecture_01.py"])
def test_answers_that_every_user_can_change_are_not_run(name, folder, checkout, capsys):
    (folder / "course.toml").write_text('course = "ours"\n')
    (folder / name).chmod(0o777)
    begin(3)
    assert folder_in_use() == checkout / "solutions"
    assert "can be changed by every user" in capsys.readouterr().out


def test_a_variable_that_names_no_folder_is_said(folder, monkeypatch, capsys):
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", "nowhere")
    begin(3)
    printed = capsys.readouterr().out
    assert folder_in_use() is None
    assert f"TINYBERT_L_SOLUTIONS names {Path.cwd() / 'nowhere'}, which is no folder" in printed


def test_an_empty_variable_does_not_name_the_working_directory(folder, checkout, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", "")
    Path("lecture_01.py").write_text("raise SystemExit('stranger')")
    begin(3)
    assert folder_in_use() == checkout / "solutions"


@pytest.mark.parametrize("content", [b"def (", b"1 / 0", b"\xff\xfe"])
def test_a_file_of_answers_that_does_not_run_is_named(content, folder):
    (folder / "course.toml").write_text('course = "ours"\n')
    (folder / "solutions" / "lecture_01.py").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"lecture_01\.py does not run"):
        begin(3)


def test_the_variable_decides_alone(folder, monkeypatch, capsys):
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(folder / "solutions"))
    begin(3)
    assert folder_in_use() == folder / "solutions"
    assert "TINYBERT_L_SOLUTIONS" in capsys.readouterr().out
