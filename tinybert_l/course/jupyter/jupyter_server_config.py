"""Settings of the server that `tinybert-l lab` starts: what is saved, the Chinese font."""

from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_dir

from tinybert_l.course.fonts import FONT
from tinybert_l.course.lab import drop_forms
from tinybert_l.course.prediction_log import carry_on_save


def on_save(**saved: Any) -> None:
    """Leave forms out of a notebook that is saved, and copy predictions into it."""
    drop_forms(**saved)
    carry_on_save(**saved)


c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.FileContentsManager.pre_save_hook = on_save
# JupyterLab asks for custom/custom.css: the user's own, else ours, beside the font
c.LabApp.custom_css = True
folders = [str(Path(jupyter_config_dir()) / "custom"), str(FONT.parent)]
c.ServerApp.tornado_settings.update({"static_custom_path": folders})
