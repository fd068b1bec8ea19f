"""A course may lie in a folder of any name: its gradebook stays inside, and it can be released."""

import pytest

from tinybert_l.errors import InvalidInput
from tinybert_l.grading import setup
from tinybert_l.grading.release import release
from tinybert_l.grading.settings import database_path, database_url


@pytest.mark.parametrize("name", ["a b", "课程", "50%25 #1", "a?b=c", "(x) [y] +z&w", "o'brien"])
def test_the_address_of_a_gradebook_leads_back_to_its_path(tmp_path, name):
    import sqlalchemy as sa

    path = tmp_path / name / "gradebook.db"
    path.parent.mkdir()
    with sa.create_engine(database_url(path)).begin() as db:
        db.execute(sa.text("CREATE TABLE t (i INTEGER)"))
    assert path.is_file() and database_path(database_url(path)) == path
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.slow
def test_a_course_in_a_folder_with_every_odd_character(tmp_path):
    folder = tmp_path / "课 (1)[2]" / "程 {a}[b]+c%20&d?e#f"
    course = setup.init(folder)
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]
    assert (folder / "gradebook.db").is_file()
    assert 'course = "a-b-c-20-d-e-f"' in (folder / "course.toml").read_text(encoding="utf-8")
    release(course, 1)
    assert course.assignment(1).tests()


def test_a_name_without_a_latin_letter_gets_a_usual_id():
    assert setup._id_from("课程") == "tinybert-l" and setup._id_from("NLP 2026 春") == "NLP-2026"


def test_a_course_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    def fails(*_):
        raise InvalidInput("no gradebook")

    monkeypatch.setattr(setup, "enrol", fails)
    with pytest.raises(InvalidInput):
        setup.init(tmp_path / "course")
    assert list(tmp_path.iterdir()) == []
