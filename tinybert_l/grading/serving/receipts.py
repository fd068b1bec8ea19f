"""Sign receipts with the course's secret, and recognise forged ones."""

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.serving.tokens import private_folder

FORMAT = 1
SECRET_BYTES = 32
RECEIPT_LIMIT = 64 * 2**10  # bytes of a file that holds one, such as a whole answer
FIELDS = ("format", "number", "student", "assignment", "sha256", "notebook", "received")
Receipt = dict[str, Any]


class ForgedReceipt(InvalidInput):
    """A receipt that this course has not signed, or that was changed since."""


class Signer:
    """Signs with the secret of a course, which is made when it is first needed.

    Args:
        folder: where the file with the secret lies.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "secret"
        private_folder(folder)
        if not self.path.is_file():
            _write_once(self.path, secrets.token_bytes(SECRET_BYTES))
        self._secret = self.path.read_bytes()
        if len(self._secret) != SECRET_BYTES:
            raise InvalidInput(
                f"{self.path} has {len(self._secret)} bytes; allowed: {SECRET_BYTES}. "
                "Restore it from a backup: without it no receipt can be checked. 密钥文件已损坏。"
            )

    def sign(
        self,
        number: str,
        student: str,
        assignment: str,
        sha256: str,
        notebook: str,
        received: str,
    ) -> Receipt:
        """Return the receipt of a hand-in.

        Args:
            number: of the hand-in.
            sha256: of the file as it was sent.
            notebook: SHA-256 of the notebook in it.
            received: when it came, as ISO 8601.
        """
        values = (FORMAT, number, student, assignment, sha256, notebook, received)
        receipt = dict(zip(FIELDS, values, strict=True))
        return {**receipt, "signature": self._signature(receipt)}

    def check(self, text: str) -> Receipt:
        """Return the receipt that a file holds.

        Raises:
            ForgedReceipt: this course has not signed it so.
            InvalidInput: it is no receipt.
        """
        try:
            receipt = _found_in(text)
            signature = receipt.pop("signature")
            usable = sorted(receipt) == sorted(FIELDS) and isinstance(signature, str)
            usable = usable and all(isinstance(receipt[name], str) for name in FIELDS[1:])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            usable = False
        if not usable:
            raise InvalidInput("This file is no receipt of a hand-in. 此文件不是提交回执。")
        expected = self._signature(receipt)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise ForgedReceipt(
                "FORGED: this course has not signed this receipt, or it was changed since. "
                "伪造或被改动的回执。"
            )
        return receipt

    def _signature(self, receipt: Receipt) -> str:
        text = json.dumps(receipt, sort_keys=True, ensure_ascii=True)
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def _write_once(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, unless another process was quicker."""
    work = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(work, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(work, path)  # fails where the file is there, so that no secret is ever replaced
    except FileExistsError:
        pass
    finally:
        work.unlink()


def _found_in(text: str) -> Any:
    """Return the receipt in a file: alone, in the server's whole answer, or in a mail.

    Raises:
        ValueError: there is no JSON in it.
    """
    start = text.index("{")
    found, _ = json.JSONDecoder().raw_decode(text, start)
    return found.get("receipt", found)
