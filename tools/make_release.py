"""Build a release into dist/: `python tools/make_release.py`.

Wheels and sdists of both distributions, SHA256SUMS, and sbom.json: every dependency that this
environment resolved, with version and licence, as CycloneDX. Nothing is uploaded. The students'
distribution is searched for answers and hidden tests; where one is found, dist/ is emptied.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tinybert_l import __version__
from tinybert_l.cache import write_atomically
from tinybert_l.errors import CourseError
from tinybert_l.grading.leaks import read_secrets, require_none, scan

CHECKOUT = Path(__file__).resolve().parent.parent


def run_module(name: str, *arguments: str | Path) -> None:
    """Run a module of this environment, and stop where it fails."""
    command = [sys.executable, "-m", name, *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def require_no_answers(target: Path) -> None:
    """Remove everything where the students' wheel or sdist holds an answer or a hidden test.

    Raises:
        LeakError: lists what was found.
    """
    secrets = read_secrets(CHECKOUT / "notebooks", CHECKOUT / "solutions")
    leaks = []
    for path in sorted(target.iterdir()):
        if not path.name.startswith("tinybert_l_instructor-"):
            leaks += scan(path, secrets)
    if leaks:
        shutil.rmtree(target)
    require_none(leaks, "the students' distribution")


def main() -> None:
    target = CHECKOUT / "dist"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for source in (CHECKOUT, CHECKOUT / "instructor"):
        # the environment's own hatchling: repeatable, and without a download
        run_module("build", "--no-isolation", "--outdir", target, source)
    names = sorted(path.name for path in target.iterdir())
    if len(names) != 4 or any(__version__ not in name for name in names):
        sys.exit(
            f"make_release: built {names}; needed: two wheels and two sdists of {__version__}."
        )
    try:
        require_no_answers(target)
    except CourseError as error:
        sys.exit(f"make_release: {error}")
    bill = ("environment", "--of", "JSON", "--output-reproducible")
    project = ("--pyproject", CHECKOUT / "pyproject.toml")
    run_module("cyclonedx_py", *bill, *project, "-o", target / "sbom.json", sys.executable)
    sums = []
    for path in sorted(target.iterdir()):
        sums.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")
    write_atomically(target / "SHA256SUMS", "\n".join(sums) + "\n")
    print("\n".join(str(path.relative_to(CHECKOUT)) for path in sorted(target.iterdir())))


if __name__ == "__main__":
    main()
