"""Settings of the server that `tinybert-l lab` starts: predictions go into saved notebooks."""

from tinybert_l.course.prediction_log import carry_on_save

c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.FileContentsManager.pre_save_hook = carry_on_save
