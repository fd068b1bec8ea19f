"""`tinybert-l lab` asks for no news, warns of nothing, and passes JupyterLab's options on."""

import json
import os
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from traitlets.config import PyFileConfigLoader

from tinybert_l.cli.app import main
from tinybert_l.course import lab
from tinybert_l.course.capstone.baseline import write_baseline
from tinybert_l.course.fonts import FONT
from tinybert_l.errors import InvalidInput


@pytest.fixture
def opened(monkeypatch):
    """What `lab` would open: (folder, browser, options) of each call."""
    calls = []
    monkeypatch.setattr(
        lab, "open_lab", lambda folder, browser, options: calls.append((folder, browser, options))
    )
    return calls


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (Path("."), True, ())),
        (["--port=8890"], (Path("."), True, ("--port=8890",))),
        (["--no-browser", "--ip", "0.0.0.0"], (Path("."), False, ("--ip", "0.0.0.0"))),
        ([".", "--port", "8890"], (Path("."), True, ("--port", "8890"))),
    ],
)
def test_options_of_jupyterlab_are_passed_on(opened, words, expected):
    result = CliRunner().invoke(main, ["lab", *words], catch_exceptions=False)
    assert result.exit_code == 0 and opened == [expected]


def test_a_folder_that_is_not_there_is_named(opened):
    result = CliRunner().invoke(main, ["lab", "nowhere", "--port=8890"])
    assert result.exit_code == 2 and "'nowhere' does not exist" in result.stderr and not opened


def test_where_jupyter_cannot_write_a_folder_is_asked_for(tmp_path, monkeypatch):
    write_baseline(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    with pytest.raises(InvalidInput, match=r"cannot write to .*; set HOME or JUPYTER_RUNTIME_DIR"):
        lab.open_lab(tmp_path)


def test_the_command_line_keeps_news_and_updates_off(tmp_path):
    command = lab.lab_command(tmp_path, "course-home.ipynb", False, ["--port=8890"])
    assert "--LabApp.news_url=None" in command and "--no-browser" in command
    assert command[-1] == "--port=8890"


def test_the_environment_turns_the_popup_off_and_keeps_what_was_there():
    environment = lab.lab_environment({"JUPYTER_CONFIG_PATH": "/mine", "HOME": "/home/ann"})
    ours, mine = environment["JUPYTER_CONFIG_PATH"].split(":")
    assert mine == "/mine" and environment["HOME"] == "/home/ann"
    page = json.loads((Path(ours) / "labconfig" / "page_config.json").read_text(encoding="utf-8"))
    assert page["disabledExtensions"] == {"@jupyterlab/apputils-extension:announcements": True}
    assert Path(environment["PYTHONSTARTUP"]).is_file()


def test_the_students_wheel_has_the_settings(student_wheel):
    names = zipfile.ZipFile(student_wheel).namelist()
    assert "tinybert_l/course/jupyter/labconfig/page_config.json" in names
    assert "tinybert_l/course/kernel_startup.py" in names
    assert "tinybert_l/course/fonts/custom.css" in names


def test_a_folder_with_the_capstone_opens_its_notebook(tmp_path):
    with pytest.raises(InvalidInput, match="No notebook of the course"):
        lab.first_page(tmp_path)
    write_baseline(tmp_path)
    assert lab.first_page(tmp_path) == "capstone.ipynb"


def test_jupyterlab_is_given_a_chinese_font_after_the_users_own_styles():
    loader = PyFileConfigLoader("jupyter_server_config.py", str(lab.SETTINGS))
    config = loader.load_config()
    folders = config.ServerApp.tornado_settings.get_value({})["static_custom_path"]
    assert config.LabApp.custom_css and folders[-1] == str(FONT.parent) and len(folders) == 2
    style = (FONT.parent / "custom.css").read_text(encoding="utf-8")
    assert f'url("{FONT.name}")' in style and "--jp-content-font-family" in style
    assert 'content: "中文"' in style, "the font is asked for before the first Chinese text"


def test_a_plain_jupyter_lab_is_settled_by_the_course_it_runs_in(monkeypatch):
    settled = []
    manager = SimpleNamespace(update_config=lambda config: settled.append(config))
    contents = SimpleNamespace(pre_save_hook=None)
    server = SimpleNamespace(kernel_manager=manager, contents_manager=contents)
    app = SimpleNamespace(initialized=lambda: True, instance=lambda: server)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/mine")
    for name in ("PYTHONSTARTUP", "PYTHONWARNINGS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "jupyter_server.serverapp", SimpleNamespace(ServerApp=app))
    lab.settle_server()
    lab.settle_server()  # each load of nbgrader_config.py calls it
    assert os.environ["JUPYTER_CONFIG_PATH"] == f"{lab.SETTINGS}{os.pathsep}/mine"
    assert "ignore::FutureWarning" in os.environ["PYTHONWARNINGS"]
    assert settled[0].KernelManager.transport_encryption == "auto"
    assert contents.pre_save_hook is lab.drop_forms


def test_a_notebook_is_saved_without_forms_that_could_not_be_shown_again():
    def saved(metadata: dict[str, object]) -> dict[str, object]:
        data = {"text/plain": "Run this cell", lab.WIDGET: {"model_id": "1"}}
        outputs = [{"output_type": "stream", "text": "said"}, {"data": data}]
        cells = [{"cell_type": "markdown"}, {"cell_type": "code", "outputs": outputs}]
        content = {"metadata": metadata, "cells": cells}
        lab.drop_forms(model={"type": "notebook", "content": content}, path="x.ipynb")
        return data

    assert saved({}) == {"text/plain": "Run this cell"}
    assert lab.WIDGET in saved({"widgets": {"state": "kept"}})
    lab.drop_forms(model={"type": "file", "content": "text"}, path="x.txt")


def test_other_processes_are_left_alone(monkeypatch):
    monkeypatch.delitem(sys.modules, "jupyter_server.serverapp", raising=False)
    before = dict(os.environ)
    lab.settle_server()
    assert dict(os.environ) == before
