"""Say what students hand in where a notebook is wanted: exports, links, placeholders, scripts."""

import re

from tinybert_l.exercises.file_kinds import kind_of

_BY_NAME = (
    (
        r"\.icloud",
        "a placeholder of iCloud's, the file itself was not loaded iCloud占位文件，文件本身未下载",
    ),
    (
        r"\.(?:crdownload|part|partial|opdownload|download|tmp)",
        "a download that was not finished 未完成的下载",
    ),
    (
        r"\.(?:gdoc|gsheet|gslides|gcolab|url|webloc|lnk|desktop|website)",
        "a link to a file, not the file itself 指向文件的链接，不是文件本身",
    ),
    (
        r"\.(?:x?html?|mht|mhtml|webarchive)",
        "a notebook's export as a web page: ask for the .ipynb 网页导出，请交.ipynb",
    ),
    (r"\.pdf", "a PDF file: ask for the .ipynb PDF文件，请交.ipynb"),
    (
        r"\.(?:heic|jpe?g|png|gif|webp|bmp|mp4|mov|webm)",
        "a picture or a film: ask for the .ipynb 图片或视频，请交.ipynb",
    ),
    (r"\.(?:eml|msg)", "a mail: ask for the .ipynb 邮件，请交.ipynb"),
    (
        r"\.(?:docx?|pptx?|xlsx?|odt|pages|numbers|md|qmd|rmd|tex|rtf|deepnote)",
        "a document: ask for the .ipynb 文档，请交.ipynb",
    ),
    (r"\.(?:py|r|scala)", "a script: ask for the .ipynb 脚本，请交.ipynb"),
)
_ADDRESS = re.compile(rb"\s*https?://\S+\s*")
_SCRIPT = re.compile(
    rb"^# (?:%%|In ?\[|COMMAND -{5,}|Databricks notebook source)|^# *jupytext:|^import marimo$",
    re.MULTILINE,
)
_EXPORTED_SCRIPT = (
    "a notebook's export as a script: ask for the .ipynb 笔记本导出的脚本，请交.ipynb"
)


def instead_of_notebook(file_name: str, raw: bytes) -> str:
    """Say what a file is that was handed in instead of a notebook; empty where nobody can tell.

    >>> instead_of_notebook("x.7z", b"7z\\xbc\\xaf'\\x1c").split(":")[0]
    'a 7z archive'
    """
    if _ADDRESS.fullmatch(raw[:2000]):
        return "an address, not the file itself 网址，不是文件本身"
    if _SCRIPT.search(raw[:2000]):
        return _EXPORTED_SCRIPT
    for pattern, kind in _BY_NAME:
        if re.search(rf"{pattern}\s*$", file_name, re.IGNORECASE):
            return kind
    return kind_of(raw)
