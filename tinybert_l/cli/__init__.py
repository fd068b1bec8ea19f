"""The command `tinybert-l`: one subcommand a step."""

from tinybert_l.cli.app import main

__all__ = ["main"]
