"""What stands for a value that cannot cross between student's and judge's process."""

from typing import Any


class NotPlain(Exception):
    """A value cannot cross; the message describes it."""


class Opaque:
    """Stands for a value that is not plain data.

    Args:
        kind: name of its type, for the message that a student reads.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"<a {self.kind}, which is no plain value 不是普通数据>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._refuse()

    def _refuse(self, *_: object) -> Any:
        raise TypeError(
            f"The answer is a {self.kind}; return a number, string, list, dict or tensor. "
            "请返回普通数据。"
        )

    __iter__ = __len__ = __getitem__ = __call__ = __float__ = __int__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = _refuse

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]
