"""Requests for another judgement that somebody forged: each has to be refused with its reason."""

import json

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>=HYPERLINK(1)\x1b[2J\u202e"


def forged(good: dict[str, str], others_hash: str) -> dict[str, tuple[bytes, str]]:
    """Return {file: (content, part of the reason why it is refused)}.

    Args:
        good: the fields of an honest request of ann's.
        others_hash: SHA-256 of bo's hand-in.
    """

    def changed(**fields: object) -> bytes:
        return json.dumps({**good, **fields}).encode()

    return {
        "name.json": (changed(student="bo"), "hash is not that of this student"),
        "hash.json": (changed(submission=others_hash), "hash is not that of this student"),
        "nobody.json": (changed(student="zoe"), "nobody called 'zoe'"),
        "path_name.json": (changed(student="../../bo"), "nobody called '../../bo'"),
        "absolute.json": (changed(student="/etc/passwd"), "nobody called"),
        "escapes.json": (changed(student="\x1b[2Jbo"), r"\x1b[2Jbo"),
        "exercise.json": (changed(exercise="../layer_map"), "exercise '../layer_map'; allowed"),
        "lecture.json": (changed(assignment="04-training"), "it is for '04-training'"),
        "giant.json": (changed(because="x" * 10**6), "more than 20000 bytes"),
        "long.json": (changed(because="x" * 2001), "a reason of 2001 characters"),
        "empty.json": (changed(because=" \n"), "reason of 2 characters"),
        "digest.json": (changed(submission="x" * 64), "no SHA-256"),
        "number.json": (changed(submission=7), "no text"),
        "points.json": (changed(points=100), "no dispute; needed"),
        "format.json": (changed(format="tinybert-l dispute 9"), "allowed: 'tinybert-l dispute 1'"),
        "list.json": (b"[]", "no dispute; needed"),
        "deep.json": (b"[" * 19_000, "no JSON"),
        "bytes.json": (b"\xff\xfe\x00", "no JSON"),
        "page.html": (MARKUP.encode(), "no request"),
        "bo/for_ann.json": (changed(exercise="slice_heads"), "handed in by bo, in the name of ann"),
        "Cy Lo_9_assignsubmission_file_/x.json": (
            changed(exercise="slice_heads"),
            "handed in by Cy_Lo-9, in the name of ann",
        ),
    }
