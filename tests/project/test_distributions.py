"""Both distributions as they would be published: built, installed beside nothing else, used from an empty folder."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tinybert_l import __version__

pytestmark = pytest.mark.slow
BUILD = "import sys; from hatchling.build import build_{0} as b; b(sys.argv[1])"


def build(folder: Path, into: Path, kind: str) -> Path:
    into.mkdir(parents=True, exist_ok=True)
    before = set(into.iterdir())
    subprocess.run([sys.executable, "-c", BUILD.format(kind), str(into)], cwd=folder, check=True)
    (made,) = set(into.iterdir()) - before
    return made


@pytest.fixture(scope="module")
def installed(checkout, tmp_path_factory) -> Path:
    """The site-packages of a new environment with both wheels, the instructor's built from its own sdist.

    Their dependencies come from the environment that runs the tests; the checkout is out of its sight.
    """
    folder = tmp_path_factory.mktemp("distributions")
    wheels = [build(checkout, folder / "dist", "wheel")]
    sdist = build(checkout / "instructor", folder / "dist", "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "sdist", filter="data")
    (source,) = (folder / "sdist").iterdir()
    wheels.append(build(source, folder / "dist", "wheel"))
    assert all(__version__ in wheel.name for wheel in wheels)
    venv.create(folder / "environment")
    (site,) = (folder / "environment").glob("[Ll]ib/**/site-packages")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    direct = build(checkout / "instructor", folder / "direct", "wheel")
    with zipfile.ZipFile(direct) as one, zipfile.ZipFile(wheels[1]) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())
    return site


def run(site: Path, folder: Path, *words: str) -> str:
    scripts = str(Path(sys.executable).parent)  # nbgrader starts alembic by name
    environment = {
        **os.environ,
        "COLUMNS": "200",
        "PATH": os.pathsep.join((scripts, os.environ["PATH"])),
    }
    environment["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")
    code = "import tinybert_l.cli as c, sys; assert c.__file__.startswith(sys.argv.pop(1)), c.__file__; c.main()"
    python = next(p for p in site.parents if (p / "pyvenv.cfg").is_file()) / "bin" / "python"
    command = [str(python), "-c", code, str(site), *words]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, (words, done.stdout[-1500:], done.stderr[-1500:])
    return done.stdout


def test_the_wheels_have_no_file_in_common_and_both_know_their_dependencies(installed, checkout):
    names = [p.name for p in installed.glob("*.dist-info")]
    assert sorted(names) == [
        f"tinybert_l-{__version__}.dist-info",
        f"tinybert_l_instructor-{__version__}.dist-info",
    ]
    recorded = [
        {line.split(",")[0] for line in (installed / name / "RECORD").read_text().splitlines()}
        for name in names
    ]
    assert not recorded[0] & recorded[1]
    metadata = (
        installed / f"tinybert_l_instructor-{__version__}.dist-info" / "METADATA"
    ).read_text(encoding="utf-8")
    assert f"Requires-Dist: tinybert-l[export]=={__version__}" in metadata


def test_an_instructor_without_a_checkout_makes_a_course_and_grades(installed, tmp_path):
    run(installed, tmp_path, "course", "init", "demo-course")
    folder = tmp_path / "demo-course"
    run(installed, folder, "release", "3")
    run(installed, folder, "sample-class", "--student", "perfect", "--student", "wrong_idea")
    said = run(
        installed, folder, "grade", "3", "--unsafe"
    )  # this environment's torch lies outside it
    assert "20/20" in said and "18/20" in said
    assert "Proved: 2" in run(installed, folder, "audit", "3")


def test_a_student_without_the_instructors_part_is_told_what_is_missing(checkout, tmp_path):
    wheel = build(checkout, tmp_path / "dist", "wheel")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "site" / "sitecustomize.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", "from tinybert_l.cli import main; main()", "release", "3"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (
        done.returncode == 1
        and "tinybert-l-instructor" in done.stderr
        and "Traceback" not in done.stderr
    )
    command = [
        sys.executable,
        "-c",
        "from tinybert_l.course.records import RESULTS; print(RESULTS, RESULTS.is_dir())",
    ]
    shown = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == [str(tmp_path / "site" / "tinybert_l" / "results"), "True"]
