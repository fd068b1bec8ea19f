"""The programs in docs/explanation/method.md run as they are printed, here for two steps."""

import re

import pytest


@pytest.mark.slow
def test_the_programs_of_the_method_page_run(checkout, tmp_path, monkeypatch, capsys):
    page = (checkout / "docs" / "explanation" / "method.md").read_text(encoding="utf-8")
    program = "\n".join(re.findall(r"```python\n(.*?)```", page, re.S))
    shortened, changes = re.subn(r"num_steps=\d+", "num_steps=2, batch_size=4", program)
    assert changes == 2
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(shortened, "method.md", "exec"), names)
    capsys.readouterr()
    assert names["small"].config.num_hidden_layers == 3
    for run in ("own-run", "from-mpnet"):
        assert (tmp_path / "outputs" / run).is_dir()
