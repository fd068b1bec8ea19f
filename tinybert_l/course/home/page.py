"""The course home as a notebook: its texts, and its table as far as it is known."""

from pathlib import Path

import nbformat

from tinybert_l.cache import write_atomically
from tinybert_l.course.home.folder import language_of, notebooks_in
from tinybert_l.course.home.progress_table import table
from tinybert_l.exercises.registry import NOTEBOOKS

HOME = "course-home.ipynb"


def home_notebook(folder: Path | None = None, lang: str | None = None) -> nbformat.NotebookNode:
    """Return the course home as a notebook.

    Args:
        folder: the student's folder: the notebook then shows its table, as far as the states are
            known without running any test.
        lang: zh or en; None: that of the folder's notebooks, or both.
    """
    if folder is not None and lang is None:
        lang = language_of(notebooks_in(folder).values())
    cell = nbformat.v4.new_code_cell(f"{HOME_CODE}show()", id="progress")
    if folder is not None:
        data = {
            "text/html": table(folder, judge_new=False),
            "text/plain": "<the table of exercises>",
        }
        cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
        cell.execution_count = 1
    introduction, *other_texts = [
        nbformat.v4.new_markdown_cell(text, id=f"text-{number}")
        for number, text in enumerate(HOME_TEXTS[lang or "both"])
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return nbformat.v4.new_notebook(
        cells=[introduction, cell, *other_texts],
        metadata={"kernelspec": kernel, "language_info": {"name": "python"}},
    )


def write_home(folder: Path) -> Path:
    """Write the course home, up to date, into a folder, and return its path."""
    path = folder / HOME
    write_atomically(path, nbformat.writes(home_notebook(folder)) + "\n")
    return path


HOME_CODE = "from tinybert_l.course.home import show\n\n"
HOME_TEXTS = {
    "both": (
        """# TinyBERT-L · 课程主页 · Course home

下表列出各讲、练习、用时，以及你的哪些解答已通过可见测试。点击讲名打开笔记本；运行下面的单元格刷新表格。

The table lists lectures, exercises, effort, and which of your answers already pass their visible
tests. A lecture's name opens it; run the cell below to bring the table up to date.""",
        """## 提交 · Handing in

1. 在讲义笔记本中点击 **Validate** 检查全部可见测试。
   Press **Validate** in the lecture's notebook: it runs all visible tests.
2. 在终端运行 `tinybert-l submit`，把生成的压缩包上传到教学平台。
   Run `tinybert-l submit` in a terminal, and upload the zip file it makes.

有问题时运行 `tinybert-l doctor`。 If something does not work, run `tinybert-l doctor`.""",
    ),
    "en": (
        """# TinyBERT-L · Course home

The table lists lectures, exercises, effort, and which of your answers already pass their visible
tests. A lecture's name opens it; run the cell below to bring the table up to date.""",
        """## Handing in

1. Press **Validate** in the lecture's notebook: it runs all visible tests.
2. Run `tinybert-l submit` in a terminal, and upload the zip file it makes.

If something does not work, run `tinybert-l doctor`.""",
    ),
    "zh": (
        """# TinyBERT-L · 课程主页

下表列出各讲、练习、用时，以及你的哪些解答已通过可见测试。点击讲名打开笔记本；运行下面的单元格刷新表格。""",
        """## 提交

1. 在讲义笔记本中点击 **Validate** 检查全部可见测试。
2. 在终端运行 `tinybert-l submit`，把生成的压缩包上传到教学平台。

有问题时运行 `tinybert-l doctor`。""",
    ),
}


def no_notebook(folder: Path) -> str:
    """Say that a folder holds no notebook of the course, and what to do about it.

    A browser renames a second download to `03-architecture (1).ipynb`, and people rename files.
    """
    folder = folder.resolve()
    others = sorted(path.name for path in folder.glob("*.ipynb") if path.name != HOME)
    if others:
        return (
            f"No notebook of the course in {folder}, but {others[0]!r}: give it back the name that "
            f"it was released with, such as {NOTEBOOKS[3]}.ipynb. 请改回发布时的文件名。"
        )
    return (
        f"No notebook of the course in {folder}. Unzip a lecture and start here again. "
        "此文件夹中没有课程笔记本，请先解压一讲。"
    )
