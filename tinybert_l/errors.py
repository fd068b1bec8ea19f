"""Errors whose message is written for the user, and text that others chose made fit to be shown."""

import unicodedata

from tinybert_l.languages import in_words

# what moves the cursor, changes colours, turns the direction of writing or breaks a line
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # parts of words in several scripts


class CourseError(Exception):
    """Something that the user can mend; the message says what and how.

    It is English first, then Chinese; in a course of one language it is shown in that one.
    """

    def __str__(self) -> str:
        return in_words(super().__str__())


class InvalidInput(CourseError, ValueError):
    """An argument, option or file that cannot be used.

    The message names it, what was given and what is allowed.
    """


def printable(text: str) -> str:
    r"""Return a text with all that is not seen written out.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(map(_seen, text))


def _seen(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _UNSEEN:
        return character
    return character.encode("unicode_escape").decode("ascii")


_GRADEBOOK_PROBLEMS = {
    "database is locked": "gradebook.db is held by another program, such as a running Formgrader: "
    "close it, or wait, and run the command again. 成绩册被另一程序占用。",
    "file is not a database": "gradebook.db cannot be read as a gradebook: put it back from a "
    "backup. 成绩册无法读取，请从备份恢复。",
    "malformed": "gradebook.db is damaged: put it back from a backup. 成绩册已损坏，请从备份恢复。",
}


def gradebook_problem(text: str) -> str:
    """Return what an error of the database means; an empty text for any other error."""
    for sign, meaning in _GRADEBOOK_PROBLEMS.items():
        if sign in text:
            return meaning
    return ""
