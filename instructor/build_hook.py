"""What the instructor's distribution holds: from the checkout around it, or from its own sdist."""

import re
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

GRADING = "tinybert_l/grading"
PLACES = {  # in the checkout and in the sdist: in the wheel
    GRADING: GRADING,
    "notebooks": f"{GRADING}/material/notebooks",
    "solutions": f"{GRADING}/material/solutions",
}


def home(root: str) -> Path:
    """The folder that holds tinybert_l/, notebooks/ and solutions/."""
    here = Path(root)
    return here if (here / GRADING).is_dir() else here.parent


class Contents(BuildHookInterface):
    def initialize(self, version, build_data):
        base = home(self.root)
        for source, target in PLACES.items():
            for path in sorted((base / source).rglob("*")):
                inner = path.relative_to(base / source).as_posix()
                if path.is_file() and not re.search(
                    r"__pycache__|\.ipynb_checkpoints|(^|/)material/", inner
                ):
                    place = source if self.target_name == "sdist" else target
                    build_data["force_include"][str(path)] = f"{place}/{inner}"
        if self.target_name == "sdist":
            build_data["force_include"][str(base / "tinybert_l" / "__init__.py")] = (
                "tinybert_l/__init__.py"
            )


class Metadata(MetadataHookInterface):
    def update(self, metadata):
        """One version for both distributions, and each instructor's one with the library's of the same."""
        text = (home(self.root) / "tinybert_l" / "__init__.py").read_text(encoding="utf-8")
        metadata["version"] = re.search(r'^__version__ = "(.+)"', text, re.M).group(1)
        metadata["dependencies"] = [
            f"tinybert-l[export]=={metadata['version']}",
            "sqlalchemy>=2",
            "psutil>=5.9",
        ]
