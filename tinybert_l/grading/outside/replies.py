"""What may come out of a submission's process: anything else is that submission's failed answer.

Whoever wrote the submission may have written the reply as well. So each part is checked for its
type, cut to its length and freed of what no file can hold, before anything else looks at it.
"""

from collections.abc import Callable
from typing import Any

from tinybert_l.exercises.notebook_files import clean_text
from tinybert_l.grading.inside.wire import Header, WireError

OUTPUT_LIMIT = 100_000  # characters of a cell's output
OUTPUT_TOTAL = 1_000_000  # characters that all cells of a submission may print, errors included
SHORT_ERROR = 200  # characters of an error that are kept beyond that
ERROR_NAME_LIMIT = 100  # characters
ERROR_TEXT_LIMIT = 4000  # characters
TRACEBACK_LINE_LIMIT = 2000  # characters
TRACEBACK_LIMIT = 30  # lines
BASES_LIMIT = 20  # classes from which an exception is derived
CellError = dict[str, Any]  # "ename", "evalue", "traceback", as in a notebook
CellReply = dict[str, Any]  # "output": a text, "error": a CellError or None


def cell_reply(header: Header) -> CellReply:
    """Return the reply to a cell that was run.

    Raises:
        WireError: it is none.
    """
    output = _text(header, "output", OUTPUT_LIMIT)
    error = header.get("error")
    if error is None:
        return {"output": output, "error": None}
    return {"output": output, "error": cell_error(error)}


def cell_error(error: Any) -> CellError:
    """Return the error of a cell as a notebook keeps it.

    Raises:
        WireError: it is none.
    """
    if not isinstance(error, dict):
        raise WireError("An error that is none.")
    lines = _texts(error, "traceback", TRACEBACK_LIMIT, TRACEBACK_LINE_LIMIT)
    return {
        "ename": _text(error, "ename", ERROR_NAME_LIMIT),
        "evalue": _text(error, "evalue", ERROR_TEXT_LIMIT),
        "traceback": lines,
    }


def length(reply: CellReply) -> int:
    """Count the characters that the reply to a cell puts into the notebook."""
    error = reply["error"]
    if error is None:
        return len(reply["output"])
    return len(reply["output"]) + len(error["evalue"]) + sum(map(len, error["traceback"]))


def shortened(reply: CellReply, limit: int) -> CellReply:
    """Return a reply in so many characters; a short error is kept in any case."""
    error = reply["error"]
    if error is not None and length({**reply, "output": ""}) > limit:
        error = {**error, "evalue": error["evalue"][:SHORT_ERROR], "traceback": []}
    left = max(0, limit - length({"output": "", "error": error}))
    return {"output": reply["output"][:left], "error": error}


def answer(question: Header, reply: Header) -> Header:
    """Return the reply to a question of the judge, with the parts that such a reply has.

    Args:
        question: whose "op" is "call", "gradient" or "value".
    Raises:
        WireError: it is no reply to that.
    """
    if "error" in reply:
        return {
            "error": _text(reply, "error", ERROR_NAME_LIMIT),
            "message": _text(reply, "message", ERROR_TEXT_LIMIT),
            "bases": _texts(reply, "bases", BASES_LIMIT, ERROR_NAME_LIMIT),
        }
    if "missing" in reply:
        return {"missing": True}
    kept: Header = {}
    if question["op"] == "value":
        kept["defined"] = _part(reply, "defined", lambda value: isinstance(value, bool))
    if question["op"] == "call":
        kept["graph"] = _part(reply, "graph", _is_number)
        if "changed" in reply:
            kept["changed"] = _part(reply, "changed", _is_pair_of_trees)
    kept["result"] = _part(reply, "result", lambda value: isinstance(value, dict))
    return kept


def _part(header: Header, key: str, is_right: Callable[[Any], bool]) -> Any:
    value = header.get(key)
    if not is_right(value):
        raise WireError(f"A reply whose {key} is not in the format.")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9


def _is_pair_of_trees(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(tree, dict) for tree in value)
    )


def _text(header: Header, key: str, limit: int) -> str:
    value = _part(header, key, lambda value: isinstance(value, str))
    return clean_text(value[:limit])


def _texts(header: Header, key: str, limit: int, line_limit: int) -> list[str]:
    """Return a list of texts, empty where it is left out."""
    values = header.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise WireError(f"A reply whose {key} is not in the format.")
    return [clean_text(value[:line_limit]) for value in values[:limit]]
