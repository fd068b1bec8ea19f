"""End a command that is stopped by Ctrl+C or SIGTERM with a sentence, not with a traceback.

Imports nothing but `signal`, since every command begins with it.
"""

import signal

TYPE_CHECKING = False  # as in tinybert_l/__init__.py
if TYPE_CHECKING:
    from types import FrameType

STOPPED = (
    "Stopped. What was finished is kept; run the command again to go on. "
    "已停止。已完成的部分都保留，再次运行即可继续。"
)


class Terminated(KeyboardInterrupt):
    """SIGTERM came: the command ends, and cleans up, as it does after Ctrl+C."""


def end_on_sigterm() -> None:
    """Raise `Terminated` where a signal would end the process without cleaning up."""
    signal.signal(signal.SIGTERM, _terminate)


def exit_status(error: KeyboardInterrupt) -> int:
    """Return the status by which a shell knows the signal: 130 or 143."""
    return 128 + (signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT)


def _terminate(number: int, frame: "FrameType | None") -> None:
    raise Terminated
