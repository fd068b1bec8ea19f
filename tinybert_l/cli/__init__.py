"""The command `tinybert-l`: one subcommand a step."""

import os
import sys

from tinybert_l.cli.stopping import STOPPED, end_on_sigterm, exit_status

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
    _write_what_can_be_shown()
    if sys.argv[1:] in (["-h"], ["--help"]):
        _show_help()
        return
    try:
        end_on_sigterm()
        import tinybert_l.course.quick_imports  # noqa: F401
        from tinybert_l.cli.app import main

        main()
    except KeyboardInterrupt as error:  # before or after the command itself, which handles it
        print(f"\n{STOPPED}", file=sys.stderr)
        sys.exit(exit_status(error))


def _write_what_can_be_shown() -> None:
    """Write "?" for a letter that the terminal's encoding lacks, in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _show_help() -> None:
    """Print the list of commands; ends quietly where its reader has gone, as click does."""
    with open(HELP, encoding="utf-8") as file:
        text = file.read()
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        sys.exit(f"Error: {error.strerror}.")


def __getattr__(name: str) -> "Any":
    if name != "main":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tinybert_l.cli.app import main

    return main
