"""Make text that others chose fit for a terminal, a table and a log."""

import unicodedata

# what moves the cursor, changes colours, turns the direction of writing or breaks a line
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # parts of words in several scripts


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
