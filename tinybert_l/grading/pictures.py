"""Tell whether the bytes of a picture are what they say; nothing is decoded here."""

import base64
import binascii
import struct

PICTURE_LIMIT = 5 * 10**6  # bytes of one picture
PIXEL_LIMIT = 40 * 10**6  # width times height
SHOWN_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_SIGNATURES = (
    ("image/png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF87a"),
    ("image/gif", b"GIF89a"),
)
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers that are followed by a size


def problem_with(kind: str, text: object) -> str:
    """Say why a picture cannot be shown; empty where it can.

    Args:
        kind: its type, as the notebook names it.
        text: its bytes in base64.
    """
    if kind not in SHOWN_TYPES:
        return f"{kind[:40]} is not shown"
    if not isinstance(text, str):
        return "it has no bytes"
    if len(text) > PICTURE_LIMIT * 4 // 3 + 100:
        return f"more than {PICTURE_LIMIT // 10**6} MB"
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return "its bytes are damaged"
    if _type_of(raw) != kind:
        return f"it is no {kind.removeprefix('image/')}"
    width, height = _size_of(raw, kind)
    if width * height > PIXEL_LIMIT:
        return f"{width} x {height} pixels are too many"
    return ""


def _type_of(raw: bytes) -> str:
    """Return the type that the first bytes of a picture tell; empty for an unknown one."""
    for kind, signature in _SIGNATURES:
        if raw.startswith(signature):
            return kind
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "image/webp"
    return ""


def _size_of(raw: bytes, kind: str) -> tuple[int, int]:
    """Return width and height; (0, 0) where the bytes do not say."""
    try:
        if kind == "image/png":
            return struct.unpack(">II", raw[16:24])
        if kind == "image/gif":
            return struct.unpack("<HH", raw[6:10])
        if kind == "image/jpeg":
            return _size_of_jpeg(raw)
        if raw[12:16] == b"VP8X":
            width = int.from_bytes(raw[24:27], "little") + 1
            return width, int.from_bytes(raw[27:30], "little") + 1
    except (struct.error, IndexError):
        pass
    return 0, 0


def _size_of_jpeg(raw: bytes) -> tuple[int, int]:
    position = 2
    while position + 9 <= len(raw) and raw[position] == 0xFF:
        marker = raw[position + 1]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", raw[position + 5 : position + 9])
            return width, height
        position += 2 + int.from_bytes(raw[position + 2 : position + 4], "big")
    return 0, 0
