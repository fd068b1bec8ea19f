"""The command `tinybert-l`: one subcommand a step."""

import os
import sys

TYPE_CHECKING = False  # as in tinybert_l/__init__.py
if TYPE_CHECKING:
    from typing import Any

    from tinybert_l.cli.app import main as main

HELP = os.path.join(os.path.dirname(__file__), "help.txt")  # written by tools/make_reference.py


def run() -> None:
    """Run the program.

    The list of commands is printed from a file, since importing click takes three times as long
    as Python's own start.
    """
    if sys.argv[1:] in (["-h"], ["--help"]):
        with open(HELP, encoding="utf-8") as file:
            print(file.read(), end="")
        return
    import tinybert_l.course.quick_imports  # noqa: F401
    from tinybert_l.cli.app import main

    main()


def __getattr__(name: str) -> "Any":
    if name != "main":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tinybert_l.cli.app import main

    return main
