"""Read `entry.json`: the entry's name, labels in the order of its outputs, how it reads text."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from tinybert_l.course.capstone.rules import (
    DESCRIPTION,
    LABELS,
    MAX_TOKENS_LIMIT,
    EntryRefused,
)

FORMAT = 1
NAME_LIMIT = 40  # characters
# Letters that cannot be confused with those of another script, change direction, or be unseen.
_NAME = re.compile(r"[A-Za-z0-9À-ÖØ-öø-ÿ\u4e00-\u9fff]([A-Za-z0-9À-ÖØ-öø-ÿ\u4e00-\u9fff _.+×½-])*")
_NO_LETTER = re.compile(r"[ _.+-]+")


@dataclass(frozen=True)
class Description:
    """What an entry says of itself.

    Args:
        name: shown in the table.
        labels: names of the classes in the order of the model's outputs.
        lowercase: whether texts are put into lower case, without accents.
        max_tokens: at which a sentence is cut.
    """

    name: str
    labels: tuple[str, ...]
    lowercase: bool
    max_tokens: int

    @property
    def key(self) -> str:
        """What two entries may not share: the name without case, blanks and signs."""
        return _NO_LETTER.sub("", self.name).casefold().replace("×", "x")

    def to_json(self) -> str:
        """Return the text of `entry.json`."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1) + "\n"


def read_description(raw: bytes) -> Description:
    """Read the bytes of `entry.json`.

    Raises:
        EntryRefused: not JSON, a value that is missing, unknown or not allowed.
    """
    values = _read_object(raw)
    _require_keys(values, ("format", "name", "labels", "lowercase", "max_tokens"))
    if values["format"] != FORMAT or isinstance(values["format"], bool):
        raise EntryRefused(_wrong("format", values["format"], str(FORMAT)))
    labels = values["labels"]
    if not isinstance(labels, list) or sorted(map(repr, labels)) != sorted(map(repr, LABELS)):
        allowed = f"{json.dumps(LABELS)}, in the order of the model's outputs"
        raise EntryRefused(_wrong("labels", labels, allowed))
    if not isinstance(values["lowercase"], bool):
        raise EntryRefused(_wrong("lowercase", values["lowercase"], "true or false"))
    tokens = values["max_tokens"]
    if type(tokens) is not int or not 3 <= tokens <= MAX_TOKENS_LIMIT:
        raise EntryRefused(_wrong("max_tokens", tokens, f"3 to {MAX_TOKENS_LIMIT}"))
    return Description(_checked_name(values["name"]), tuple(labels), values["lowercase"], tokens)


def _read_object(raw: bytes) -> dict[str, Any]:
    try:
        values = json.loads(
            raw.decode("utf-8-sig"), object_pairs_hook=_without_doubles, parse_constant=_no_constant
        )
    except EntryRefused:
        raise
    except (ValueError, RecursionError) as error:
        raise EntryRefused(f"{DESCRIPTION}: not JSON in UTF-8 ({str(error)[:80]}).") from None
    if not isinstance(values, dict):
        raise EntryRefused(f"{DESCRIPTION}: allowed: one JSON object. 应为一个JSON对象。")
    return values


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise EntryRefused(f"{DESCRIPTION}: a key stands there twice. 键重复。")
    return values


def _no_constant(name: str) -> None:
    raise EntryRefused(f"{DESCRIPTION}: {name} is no JSON number. 不是JSON数字。")


def _require_keys(values: dict[str, Any], allowed: tuple[str, ...]) -> None:
    missing = [key for key in allowed if key not in values]
    if missing:
        raise EntryRefused(f"{DESCRIPTION}: {', '.join(missing)} is missing. 缺少必需的键。")
    if len(values) > len(allowed):
        unknown = sorted(set(values) - set(allowed))
        raise EntryRefused(_wrong("keys", unknown, ", ".join(allowed)))


def _checked_name(name: Any) -> str:
    is_fit = isinstance(name, str) and len(name) <= NAME_LIMIT and _NAME.fullmatch(name)
    if not is_fit or name != " ".join(name.split()):
        raise EntryRefused(
            _wrong(
                "name",
                name,
                f"1 to {NAME_LIMIT} Latin letters, Chinese characters, digits, "
                "single blanks and _ . + - ×, a letter or digit first",
            )
        )
    return name


def _shown(character: str) -> str:
    """Write out what may not stand in a name: it may look like what is allowed."""
    if character.isascii() or _NAME.fullmatch(character):
        return character
    return character.encode("unicode_escape").decode("ascii")


def _wrong(key: str, given: Any, allowed: str) -> str:
    shown = "".join(map(_shown, json.dumps(given, ensure_ascii=False)))[:60]
    return f"{DESCRIPTION}: {key} is {shown}; allowed: {allowed}."
