"""Grades as a table: for a person, for Canvas, for Moodle."""

import csv
import io
from typing import Any

FORMATS = ("csv", "canvas", "moodle")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table(rows: list[dict[str, Any]], title: str, kind: str) -> str:
    """CSV text of `Book.totals()`.

    Args:
        title: the column's or the assignment's name in the LMS.
        kind: one of `FORMATS`.
    """
    if kind not in FORMATS:
        raise ValueError(f"format={kind!r}; allowed: {', '.join(FORMATS)}.")
    return to_csv({"csv": _plain, "canvas": _canvas, "moodle": _moodle}[kind](rows, title))


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV; what a spreadsheet would take for a formula is made text."""
    out = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _defused(value) for key, value in row.items()})
    return out.getvalue()


def _defused(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:g}"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _plain(rows: list[dict[str, Any]], title: str) -> list[dict[str, Any]]:
    return [{"assignment": title, **row} for row in rows]


def _name(row: dict[str, Any]) -> str:
    return f"{row['first_name']} {row['last_name']}".strip() or row["student"]


def _canvas(rows: list[dict[str, Any]], title: str) -> list[dict[str, Any]]:
    """As Canvas's gradebook imports it; students are found by ID, which its zip of submissions gave."""
    nobody = {"Student": "    Points Possible", "ID": "", "SIS Login ID": "", "Section": ""}
    listed = [
        {"Student": _name(r), "ID": r["lms_user_id"], "SIS Login ID": "", "Section": "",
         title: r["score"]}
        for r in rows
    ]  # fmt: skip
    for one, r in zip(listed, rows, strict=True):
        if not r["lms_user_id"]:
            one["SIS Login ID"] = r["student"]
    return [nobody | {title: rows[0]["max_score"]}, *listed] if rows else []


def _moodle(rows: list[dict[str, Any]], title: str) -> list[dict[str, Any]]:
    """As Moodle's grading worksheet imports it."""
    return [
        {
            "Identifier": f"Participant {r['lms_user_id']}" if r["lms_user_id"] else r["student"],
            "Full name": _name(r),
            "Email address": r["email"],
            "Grade": r["score"],
            "Maximum Grade": r["max_score"],
        }
        for r in rows
    ]
