"""The baseline notebook: from nothing to an entry that keeps the rules."""

import shutil
from pathlib import Path

from tinybert_l.errors import InvalidInput

NOTEBOOK = Path(__file__).with_name("capstone.ipynb")


def write_baseline(folder: Path) -> Path:
    """Copy the baseline notebook into a folder.

    Raises:
        InvalidInput: there is one already; it is not replaced.
    """
    path = folder / NOTEBOOK.name
    if path.exists():
        raise InvalidInput(f"{path} exists already, and is left as it is. 文件已存在，不会覆盖。")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(NOTEBOOK, path)
    return path
