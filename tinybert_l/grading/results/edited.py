"""Know a page of feedback that somebody has edited since it was written, and keep it.

Each page carries the hash of itself, so that a class of thousands needs no list of hashes.
"""

import re
from hashlib import sha256
from pathlib import Path

from tinybert_l.cache import write_atomically

EDITED = "-edited"  # in the name of a page that is kept
_HEAD = "</head>"
_MARK = re.compile(r'<meta name="tinybert-l-page" content="([0-9a-f]{64})">')
_HEAD_LIMIT = 200_000  # characters: the page's styles, and nothing of a student's


def write_page(path: Path, page: str) -> None:
    """Write a page; one that somebody has edited is kept beside it, under another name."""
    if path.is_file() and _is_edited(path.read_text(encoding="utf-8", errors="replace")):
        path.replace(_free_name(path))
    mark = f'<meta name="tinybert-l-page" content="{_hash(page)}">'
    write_atomically(path, page.replace(_HEAD, mark + _HEAD, 1))


def edited_pages(course: Path, name: str) -> list[str]:
    """Say which edited pages of an assignment are kept; empty where there are none."""
    kept = sorted((course / "feedback").glob(f"*/{name}/{name}{EDITED}*.html"))
    if not kept:
        return []
    return [
        f"{len(kept)} pages of feedback that somebody had edited are kept beside the new ones, "
        f"such as {kept[0]}. 被人工修改过的反馈页已另存，新页面不含这些修改。"
    ]


def _is_edited(text: str) -> bool:
    """Tell whether a page is another than the one that was written; no mark, no telling."""
    head, end, rest = text.partition(_HEAD)
    mark = _MARK.search(head[-_HEAD_LIMIT:]) if end else None
    return mark is not None and _hash(_MARK.sub("", head, count=1) + end + rest) != mark[1]


def _free_name(path: Path) -> Path:
    number = 1
    while True:
        kept = path.with_stem(f"{path.stem}{EDITED}{'' if number == 1 else f'-{number}'}")
        if not kept.exists():
            return kept
        number += 1


def _hash(page: str) -> str:
    lines = page.replace("\r\n", "\n").replace("\r", "\n")  # which editors change
    return sha256(lines.encode("utf-8", errors="replace")).hexdigest()
