"""`course init` and `release` import, and start, no more than they need."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import nbgrader.api
from sqlalchemy import create_engine, inspect, text

from tinybert_l.grading.settings import database_url, prepare_gradebook

DEAR = ("torch", "pandas", "lark", "matplotlib", "tokenizers")


def test_the_commands_import_nothing_dear():
    program = (
        "import sys\n"
        "import tinybert_l.course.quick_imports\n"
        "import tinybert_l.cli.instructors, tinybert_l.cli.courses, nbgrader.api\n"
        f"print([name for name in {DEAR} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_a_new_gradebook_is_as_nbgrader_makes_it_without_its_program(tmp_path, monkeypatch):
    def started() -> str:
        raise AssertionError("alembic was started")

    monkeypatch.setattr(nbgrader.api, "get_alembic_version", started)
    path = tmp_path / "a [b]" / "gradebook.db"
    prepare_gradebook(path)
    prepare_gradebook(path)
    with nbgrader.api.Gradebook(database_url(path)) as book:
        book.add_student("ann")
    engine = create_engine(database_url(path))
    with closing(engine.connect()) as db:
        (version,) = db.scalars(text("SELECT version_num FROM alembic_version")).all()
    assert "submitted_assignment" in inspect(engine).get_table_names()
    engine.dispose()
    folder = Path(nbgrader.__file__).parent / "alembic" / "versions"
    migrations = {path.name.partition("_")[0]: path.read_text() for path in folder.glob("*.py")}
    assert version in migrations  # and none comes after it
    assert not any(f"down_revision = '{version}'" in source for source in migrations.values())
