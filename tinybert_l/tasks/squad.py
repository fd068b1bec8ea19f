"""Read questions in SQuAD's format, and compare answers as SQuAD's own script does."""

import json
import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinybert_l.errors import InvalidInput


@dataclass(frozen=True)
class Question:
    """A question on a text, in the terms of SQuAD (Rajpurkar et al. 2016).

    Args:
        answers: right answers, as they stand in the context; none where the text does not answer.
        starts: index in the context of each answer's first character.
    """

    question: str
    context: str
    answers: tuple[str, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True)
class _Entry:
    """One question as a file holds it, before its answers are checked.

    Args:
        place: names the entry in error messages.
        answers: {"text": [...], "answer_start": [...]}.
    """

    place: str
    question: str
    context: str
    answers: dict[str, list[Any]]


def read_squad(path: Path | str) -> list[Question]:
    """Read questions from a file or folder.

    Args:
        path: a JSON file in SQuAD's format (1.1 or 2.0), or a folder made by `save_to_disk` of the
            package `datasets`.
    Raises:
        InvalidInput: another format, no question, or an answer that does not stand where the file
            says; names the entry.
    """
    path = Path(path)
    entries = _entries_of_folder(path) if path.is_dir() else _entries_of_json(path)
    questions = []
    for entry in entries:
        answers = tuple(entry.answers.get("text", ()))
        starts = tuple(entry.answers.get("answer_start", ()))
        for answer, start in zip(answers, starts, strict=True):
            if not answer or entry.context[start : start + len(answer)] != answer:
                raise InvalidInput(
                    f"{path}, {entry.place}: the answer {answer!r} does not stand "
                    f"at character {start}."
                )
        questions.append(Question(entry.question, entry.context, answers, starts))
    if not questions:
        raise InvalidInput(f"{path}: no questions in it. 没有问题。")
    return questions


def _entries_of_json(path: Path) -> list[_Entry]:
    """Read the entries of a JSON file; raises `InvalidInput` for another format."""
    try:
        return list(_walk_articles(json.loads(path.read_text(encoding="utf-8"))["data"]))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:  # no JSON, not UTF-8, or other keys
        raise InvalidInput(
            f"{path}: not in SQuAD's format ({error}); needed: data > paragraphs > context, "
            "qas > question, answers > text, answer_start. 不是SQuAD格式。"
        ) from None


def _walk_articles(articles: list[dict[str, Any]]) -> Iterator[_Entry]:
    for article in articles:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                answers: dict[str, list[Any]] = {"text": [], "answer_start": []}
                for answer in asked.get("answers", []):
                    for key, values in answers.items():
                        values.append(answer[key])
                place = f"question {asked.get('id')!r}"
                yield _Entry(place, asked["question"], paragraph["context"], answers)


def _entries_of_folder(path: Path) -> list[_Entry]:
    """Read the rows of a data set that `datasets` saved; raises `InvalidInput` for another one."""
    try:
        from datasets import load_from_disk
    except ImportError:
        raise InvalidInput(
            f"{path}: a folder of `datasets`, which is not installed: pip install datasets"
        ) from None
    rows = load_from_disk(str(path))
    missing = {"question", "context", "answers"} - set(getattr(rows, "column_names", ()))
    if missing:
        raise InvalidInput(
            f"{path}: no columns {sorted(missing)}; give the folder of one split, such as train."
        )
    entries = []
    for number, row in enumerate(rows):
        entries.append(_Entry(f"row {number}", row["question"], row["context"], row["answers"]))
    return entries


def normalised_words(answer: str) -> list[str]:
    """Split into words without case, punctuation and articles, as SQuAD's own script does."""
    plain = answer.lower().translate(str.maketrans("", "", string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def exact_match(answer: str, right_answers: Sequence[str]) -> float:
    """Return 1.0 if the answer is one of the right ones, else 0.0.

    Where there is no right answer, only an empty one is right.
    """
    right = map(normalised_words, right_answers or ("",))
    return float(normalised_words(answer) in right)


def answer_f1(answer: str, right_answers: Sequence[str]) -> float:
    """Return the overlap of words with the nearest right answer, 0..1.

    The overlap is the harmonic mean of precision and recall. Where there is no right answer, only
    an empty one is right.
    """
    given = Counter(normalised_words(answer))
    best = 0.0
    for right_answer in right_answers or ("",):
        wanted = Counter(normalised_words(right_answer))
        if given and wanted:
            overlap = 2 * (given & wanted).total() / (given.total() + wanted.total())
        else:
            overlap = float(given == wanted)
        best = max(best, overlap)
    return best
