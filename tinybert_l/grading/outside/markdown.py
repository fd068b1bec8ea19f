"""Render a student's text as HTML that does nothing: first rendered, then cleaned, in this order.

What was written does not matter, only what came out: bleach keeps a list of harmless elements and
shows the rest as text. Pictures are shown where they are what they say; those of other sites
become links.

Run as a program it serves one text after the other, so that a text that takes for ever can be given
up (see `rendering`): `python -m tinybert_l.grading.outside.markdown DESCRIPTOR`.
"""

import re
import resource
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from html import escape
from typing import Any
from urllib.parse import unquote

from bleach.html5lib_shim import Filter
from bleach.sanitizer import Cleaner
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from tinybert_l.grading.inside.wire import PeerDied, receive, send
from tinybert_l.grading.pictures import problem_with

MEMORY_LIMIT = 2 * 2**30  # bytes of address space
_NAMES = (
    "a abbr b big blockquote br caption center cite code dd del details div dl dt em figcaption "
    "figure font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strike "
    "strong sub summary sup table tbody td tfoot th thead tr tt u ul var"
)
TAGS = frozenset(_NAMES.split())
ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"alt", "title", "src", "width", "height"},
    "ol": {"start"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
}
# names that the highlighter gives to its elements: `k`, `mi`, `s2`, `highlight`
_HIGHLIGHT = re.compile(r"highlight|[a-z]{1,3}[0-9]?")
_ATTRIBUTE = r"""\s+(?:open|[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))"""
_TAG = re.compile(rf"</?[a-zA-Z][a-zA-Z0-9]*(?:{_ATTRIBUTE})*\s*/?>|<!--.*-->", re.DOTALL)
_ONLY_FIGURES = re.compile(r"\s*[\w+.-]+:\d*\s*")  # `javascript:1`: for bleach a host and its port
_BOX = re.compile(r'<input class="task-list-item-checkbox" type="checkbox"(?P<more>[^>]*)>')
_DATA = re.compile(r"data:(?P<kind>[^;,]*);base64,(?P<text>.*)", re.DOTALL)
_ATTACHMENT = "attachment:"


class _Renderer(IPythonRenderer):
    """nbconvert's renderer, for which a missing picture is no error."""

    def inline_html(self, html: str) -> str:
        """Render a tag inside a line; `a<b and c>d` holds none."""
        return super().inline_html(html if _TAG.fullmatch(html) else escape(html))

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Render a picture; one of an attachment with its bytes, or with the reason why not."""
        if not url.startswith(_ATTACHMENT):
            return super().image(text, url, title)
        name = unquote(url.removeprefix(_ATTACHMENT))
        source, problem = _attached(self.attachments, name)
        if problem:
            return escape(f"[picture {name} not shown: {problem} 图片未显示]")
        return f'<img src="{source}" alt="{escape(text)}">'


def _attached(attachments: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return the address of an attached picture, or why it cannot be shown."""
    by_type = attachments.get(name)
    if not isinstance(by_type, dict) or not by_type:
        return "", "it did not come with the notebook"
    problem = ""
    for kind, text in by_type.items():
        if isinstance(text, list):
            text = "".join(map(str, text))
        problem = problem_with(kind, text)
        if not problem:
            return f"data:{kind};base64,{''.join(text.split())}", ""
    return "", problem


def to_html(source: str, attachments: Mapping[str, Any]) -> str:
    """Render a text and clean what came out.

    Args:
        attachments: {name: {type: bytes in base64}}, as the notebook's cell has them.
    """
    renderer = _Renderer(escape=False, exclude_anchor_links=True, attachments=dict(attachments))
    rendered = MarkdownWithMath(renderer=renderer).render(source)
    rendered = _BOX.sub(lambda box: "☑" if "checked" in box["more"] else "☐", rendered)
    cleaner = Cleaner(
        tags=TAGS,
        attributes=_is_harmless,
        protocols={"http", "https", "mailto", "data"},
        strip=False,  # `Vec<int>` is shown, not swallowed
        filters=[_Pictures],
    )
    return cleaner.clean(rendered)


def _is_harmless(tag: str, name: str, value: str) -> bool:
    """Tell whether an attribute may stay; its address, if it is one, is checked by bleach too."""
    if name == "class":
        return all(map(_HIGHLIGHT.fullmatch, value.split()))
    if name == "href" and value.strip().lower().startswith("data:"):
        return False
    if name == "href" and _ONLY_FIGURES.fullmatch(value):
        return False
    return name in ATTRIBUTES.get(tag, ())


class _Pictures(Filter):
    """Shows pictures whose bytes stand in the page; others become links, or a note."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for token in super().__iter__():
            if token.get("name") == "img" and token["type"] in ("EmptyTag", "StartTag"):
                yield from self._picture(token)
            else:
                if token.get("name") == "a" and token["type"] == "StartTag":
                    token["data"][(None, "rel")] = "noopener noreferrer"
                yield token

    def _picture(self, token: dict[str, Any]) -> Iterator[dict[str, Any]]:
        attributes = token["data"]
        address = attributes.get((None, "src"), "")
        text = attributes.get((None, "alt"), "")
        match = _DATA.fullmatch(address.strip())
        if match:
            problem = problem_with(match["kind"], match["text"])
            if not problem:
                yield token
                return
            yield _characters(f"[picture {text} not shown: {problem} 图片未显示]")
        elif re.match(r"https?://", address.strip(), re.IGNORECASE):
            link = {(None, "href"): address, (None, "rel"): "noopener noreferrer"}
            yield {"type": "StartTag", "name": "a", "namespace": None, "data": link}
            yield _characters(f"[picture elsewhere 外部图片: {text or address}]")
            yield {"type": "EndTag", "name": "a", "namespace": None}
        else:
            name = text or address or "without a name"
            yield _characters(f"[picture {name} not shown: it did not come along 图片未显示]")


def _characters(text: str) -> dict[str, Any]:
    return {"type": "Characters", "data": text}


def main() -> None:
    """Serve texts over the socket whose descriptor is the argument, until it is closed."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    with suppress(PeerDied):
        while True:
            request, _ = receive(connection)
            try:
                page = to_html(request["source"], request["attachments"])
            except Exception as error:  # of nbconvert or bleach; the text is then shown as it is
                send(connection, {"error": f"{type(error).__name__}"})
            else:
                send(connection, {"html": page})


if __name__ == "__main__":
    main()
