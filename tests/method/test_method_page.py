"""The program in docs/explanation/method.md runs as it is printed, here for two steps."""

import re

import pytest


@pytest.mark.slow
def test_the_program_of_the_method_page_runs(checkout, tmp_path, monkeypatch, capsys):
    page = (checkout / "docs" / "explanation" / "method.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.S)
    shortened, changes = re.subn(r"num_steps=\d+", "num_steps=2, batch_size=4", program)
    assert changes == 1
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(shortened, "method.md", "exec"), names)
    capsys.readouterr()
    assert names["small"].config.num_hidden_layers == 3
    assert (tmp_path / "outputs" / "own-run").is_dir()
