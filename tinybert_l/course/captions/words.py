"""A caption: words for people in both languages, with a unit."""

from dataclasses import dataclass

from tinybert_l.languages import current_language, one_of

UNITS_ZH = {"points": "百分点", "nats": "奈特", "seeds": "种子"}


def unit_in_language(unit: str) -> str:
    """A unit's name: Chinese in a course in Chinese, where it has one."""
    return UNITS_ZH.get(unit, unit) if current_language() == "zh" else unit


@dataclass(frozen=True)
class Caption:
    """Words in English and Chinese, with a unit; as text: English, Chinese, (unit).

    Args:
        zh_alone: the Chinese of a course in Chinese, where English serves in one of both languages.
    """

    en: str
    zh: str = ""
    unit: str = ""
    zh_alone: str = ""

    def __str__(self) -> str:
        text = one_of(self.en, self.zh)
        if current_language() == "zh":
            text = self.zh_alone or self.zh or self.en
        return f"{text} ({unit_in_language(self.unit)})" if self.unit else text
