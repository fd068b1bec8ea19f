"""Collect the files of the instructor's distribution, from the checkout or from its own sdist."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

GRADING = "tinybert_l/grading"
PLACES = {  # {folder in the checkout and in the sdist: folder in the wheel}
    GRADING: GRADING,
    "notebooks": f"{GRADING}/material/notebooks",
    "solutions": f"{GRADING}/material/solutions",
}
LEFT_OUT = re.compile(r"__pycache__|\.ipynb_checkpoints|(^|/)material/")


def find_base(root: str) -> Path:
    """Find the folder that holds tinybert_l/, notebooks/ and solutions/."""
    here = Path(root)
    if (here / GRADING).is_dir():
        return here
    return here.parent


def files(folder: Path) -> Iterator[str]:
    """Yield the paths of all files to be distributed, relative to their folder."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and not LEFT_OUT.search(relative):
            yield relative


class Contents(BuildHookInterface):
    """Adds grading, notebooks and answers to the files that hatchling packs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        base = find_base(self.root)
        is_sdist = self.target_name == "sdist"
        include = build_data["force_include"]
        for source, place_in_wheel in PLACES.items():
            place = source if is_sdist else place_in_wheel
            for relative in files(base / source):
                include[str(base / source / relative)] = f"{place}/{relative}"
        if is_sdist:  # the version is read from this file when a wheel is built from the sdist
            init = "tinybert_l/__init__.py"
            include[str(base / init)] = init


class Metadata(MetadataHookInterface):
    """Gives both distributions one version, and requires the library of the same version."""

    def update(self, metadata: dict[str, Any]) -> None:
        init = find_base(self.root) / "tinybert_l" / "__init__.py"
        text = init.read_text(encoding="utf-8")
        match = re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)
        if match is None:
            raise ValueError(f"{init} has no line with __version__.")
        metadata["version"] = match.group(1)
        metadata["dependencies"] = [
            f"tinybert-l[export]=={metadata['version']}",
            "sqlalchemy>=2",
            "psutil>=5.9",
            "bleach>=6.1",  # cleans what students wrote before it is shown
            "tornado>=6.2",  # serves the page for grading by hand; Jupyter brings it
            "rapidfuzz>=3",  # tells which answers are nearly equal; nbgrader brings it
        ]
