"""What would be published: `python tools/make_release.py`, written to dist/.

Wheels and sdists of both distributions, SHA256SUMS, and sbom.json: every dependency that this environment resolved,
with version and licence, as CycloneDX. Nothing is uploaded.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tinybert_l import __version__
from tinybert_l.cache import write_atomically

CHECKOUT = Path(__file__).resolve().parent.parent


def main() -> None:
    target = CHECKOUT / "dist"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for source in (CHECKOUT, CHECKOUT / "instructor"):
        # the environment's own hatchling: repeatable, and without a download
        command = [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            str(target),
            str(source),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    made = sorted(target.iterdir())
    if len(made) != 4 or any(__version__ not in path.name for path in made):
        sys.exit(
            f"make_release: built {[path.name for path in made]}; needed: two wheels and two sdists of {__version__}."
        )
    command = [
        sys.executable,
        "-m",
        "cyclonedx_py",
        "environment",
        "--of",
        "JSON",
        "--output-reproducible",
    ]
    command += [
        "--pyproject",
        str(CHECKOUT / "pyproject.toml"),
        "-o",
        str(target / "sbom.json"),
        sys.executable,
    ]
    subprocess.run(command, check=True)
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
        for path in sorted(target.iterdir())
    ]
    write_atomically(target / "SHA256SUMS", "\n".join(sums) + "\n")
    print("\n".join(str(path.relative_to(CHECKOUT)) for path in sorted(target.iterdir())))


if __name__ == "__main__":
    main()
