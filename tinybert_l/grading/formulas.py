"""Write formulas as MathML, which every browser shows without a network.

Students write formulas too: of what the converter makes, only known elements and settings are
written down, and all text is escaped.
"""

import html
import re
import time
from functools import lru_cache
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element

LENGTH_LIMIT = 2000  # characters of a formula
DEPTH_LIMIT = 40  # of its braces and of what comes out
WIDE = 28  # characters of a formula in a line of text that is wider than a phone
KEPT = 5000  # formulas that stay converted; most are the same in every submission
_ELEMENTS = (
    "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle merror mpadded mphantom msub msup "
    "msubsup munder mover munderover mmultiscripts mprescripts none mtable mtr mtd"
)
_TAGS = frozenset(_ELEMENTS.split())
_ATTRIBUTES = (
    "display displaystyle scriptlevel mathvariant fence separator stretchy symmetric accent "
    "accentunder form columnalign rowalign linethickness minsize maxsize width lspace rspace "
    "movablelimits largeop"
)
_SETTINGS = frozenset(_ATTRIBUTES.split())
# a word, a small number, or a small length
_VALUE = re.compile(r"[a-z -]{1,40}|[+-]?\d{0,2}(?:\.\d{1,5})?(?:em|ex|px|%)?")
# as MathJax knows them: no dollar sign that is escaped, no price ("$5 and $6")
_FORMULA = re.compile(
    r"(?<![\\$])\$\$(?P<block>[^$]+?)\$\$|(?<![\\$\w])\$(?=\S)(?P<inline>[^$\n]+?)(?<=\S)\$(?!\w)"
    r"|\\\[(?P<bracket>.+?)\\\]|\\\((?P<round>.+?)\\\)"
    r"|(?P<whole>\\begin\{(?P<name>(?:align|equation|eqnarray)\*?|cases|[bpvBV]?matrix)\}"
    r".{1,2000}?\\end\{(?P=name)\})",
    re.DOTALL,
)
# what is no text: tags, and elements whose text is shown as it was typed
_ASIDE = re.compile(r"<(?P<name>pre|code|script|style|math)\b.*?</(?P=name)\s*>|<[^>]*>", re.DOTALL)


class _NoFormula(ValueError):
    """The converter made something that is not written down."""


def with_mathml(page: str, deadline: float) -> str:
    """Return HTML in which formulas are MathML; those that cannot be converted stay as typed.

    Args:
        deadline: by `time.monotonic`; formulas after it stay as typed too.
    """
    if "$" not in page and "\\" not in page:
        return page
    parts = []
    end = 0
    for aside in _ASIDE.finditer(page):
        parts.append(_converted(page[end : aside.start()], deadline))
        parts.append(aside.group())
        end = aside.end()
    parts.append(_converted(page[end:], deadline))
    return "".join(parts)


def _converted(text: str, deadline: float) -> str:
    """Convert the formulas of a piece of HTML without tags."""
    if "$" not in text and "\\" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        source = match["block"] or match["bracket"] or match["inline"] or match["round"]
        source = source or match["whole"]
        if time.monotonic() > deadline:
            return match.group()
        is_block = bool(match["block"] or match["bracket"] or match["whole"])
        return mathml(html.unescape(source), is_block) or match.group()

    return _FORMULA.sub(replace, text)


@lru_cache(maxsize=KEPT)
def mathml(source: str, is_block: bool = False) -> str:
    """Return a LaTeX formula as MathML; an empty text where it cannot be converted."""
    if len(source) > LENGTH_LIMIT or _depth(source) > DEPTH_LIMIT:
        return ""
    try:
        element = convert_to_element(source, display="block" if is_block else "inline")
        return _written(element)
    except Exception:  # the converter's errors are of many kinds; the formula stays as typed
        return ""


def _depth(source: str) -> int:
    """Return how deep the braces of a formula are nested."""
    depth = deepest = 0
    for character in source:
        if character == "{":
            depth += 1
            deepest = max(deepest, depth)
        elif character == "}":
            depth -= 1
    return deepest


def _written(element: Element, depth: int = 0) -> str:
    """Write an element and what it holds; raises `_NoFormula` for what is not known."""
    tag = element.tag.rpartition("}")[2]
    if tag not in _TAGS or depth > 3 * DEPTH_LIMIT:
        raise _NoFormula(tag)
    settings = []
    for name, value in element.attrib.items():
        if name in _SETTINGS and _VALUE.fullmatch(value):
            settings.append(f' {name}="{value}"')
    if tag == "math" and (element.get("display") == "block" or _is_wide(element)):
        settings.append(' tabindex="0"')  # it scrolls where it is wide, by keyboard too
    inner = _escaped(element.text)
    for child in element:
        inner += _written(child, depth + 1) + _escaped(child.tail)
    return f"<{tag}{''.join(settings)}>{inner}</{tag}>"


def _is_wide(element: Element) -> bool:
    return len(html.unescape("".join(element.itertext()))) > WIDE


def _escaped(text: str | None) -> str:
    """Escape a text in which the converter writes characters by their numbers."""
    return html.escape(html.unescape(text or ""), quote=False)
