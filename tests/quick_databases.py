"""Let SQLite not wait for the disk: only a power cut could tell, and no test cuts the power.

A release commits sixty times, and each commit waits for some milliseconds. Processes that tests
start by a command line keep SQLite's own setting.
"""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


@event.listens_for(Engine, "connect")
def _do_not_wait(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")
