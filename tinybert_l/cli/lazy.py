"""A group of commands that imports each when it is used, and shows users' mistakes as a line."""

import errno
import importlib
import os
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import click

from tinybert_l import __version__
from tinybert_l.cli.stopping import STOPPED, exit_status
from tinybert_l.errors import CourseError, gradebook_problem

DEBUG = "TINYBERT_L_DEBUG"  # environment variable: show the traceback of every error


@dataclass(frozen=True)
class CommandModule:
    """Describes a module of commands without importing it.

    Args:
        name: name of the module in `tinybert_l.cli`.
        section: heading of its commands in the list of commands.
        commands: {command: first sentence of its help}. A command `run-job` is the module's
            attribute `run_job`.
    """

    name: str
    section: str
    commands: dict[str, str]


class InstructorPartMissing(CourseError):
    """The command needs the instructor's distribution, which is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "This command needs the instructor's part (answers, notebook sources, grading): pip "
            f"install ./tinybert_l_instructor-{__version__}-py3-none-any.whl, a file that 'make "
            "release' builds. 该命令需要教师版。"
        )


class LazyCommands(MutableMapping[str, click.Command]):
    """Maps names to commands; looking up a command imports its module."""

    def __init__(self, modules: Sequence[CommandModule]) -> None:
        self._module_of: dict[str, str] = {}
        self._loaded: dict[str, click.Command] = {}
        for module in modules:
            self._module_of.update(dict.fromkeys(module.commands, module.name))

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            module = _import_commands(self._module_of[name])
            self._loaded[name] = getattr(module, name.replace("-", "_"))
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command
        self._module_of.setdefault(name, "")

    def __delitem__(self, name: str) -> None:
        del self._module_of[name]
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._module_of)

    def __len__(self) -> int:
        return len(self._module_of)


class LazyGroup(click.Group):
    """Lists its commands in sections, imports them when they are used, explains users' mistakes.

    `CourseError` and `OSError` are shown as one line, exit status 1; Ctrl+C is a sentence, status
    130. Any other exception is a fault of the program and shows its traceback.
    """

    def __init__(
        self, name: str | None = None, *, modules: Sequence[CommandModule] = (), **settings: Any
    ) -> None:
        super().__init__(name, commands=LazyCommands(modules), **settings)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the list."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, a section for each kind of user, without importing them."""
        width = max(map(len, self.commands))
        sections: dict[str, list[tuple[str, str]]] = {}
        for module in self.modules:
            rows = sections.setdefault(module.section, [])
            for name, short_help in module.commands.items():
                rows.append((name.ljust(width), short_help))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (CourseError, OSError) as error:
            if os.environ.get(DEBUG) or isinstance(error, BrokenPipeError):
                raise  # click ends quietly when the reader of its output has gone
            raise click.ClickException(_in_words(error)) from error
        except KeyboardInterrupt as error:
            click.echo(f"\n{STOPPED}", err=True)  # below a progress bar that ends within its line
            raise click.exceptions.Exit(exit_status(error)) from None
        except Exception as error:
            words = _of_gradebook(error)
            if os.environ.get(DEBUG) or not words:
                raise
            raise click.ClickException(words) from error


def _in_words(error: Exception) -> str:
    """Say what is wrong; of an error of the system what it means, in place of its number."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    if "No usable temporary directory" in str(error.strerror):
        return (
            "no folder for temporary files can be written; set TMPDIR to one that can, or make "
            "room in /tmp. 没有可写的临时目录，请设置TMPDIR。"
        )
    place = "" if error.filename is None else f"{error.filename}: "
    meanings = {
        errno.ENOENT: "there is no such file or folder. 文件或文件夹不存在。",
        errno.EACCES: "no permission; choose a folder that is yours. 没有权限。",
        errno.EPERM: "no permission; choose a folder that is yours. 没有权限。",
        errno.EROFS: "it is read-only; choose a folder that can be written. 只读，不能写入。",
        errno.ENOSPC: "the disk is full; make room and run the command again. 磁盘已满。",
        errno.EADDRINUSE: "the port is in use; choose another with --port. 端口已被占用。",
        errno.EADDRNOTAVAIL: "this machine has no such address; choose another with --address. "
        "本机没有这个地址。",
        errno.ENOTDIR: "a part of this path is a file, not a folder. 路径中有一部分不是文件夹。",
        errno.EISDIR: "it is a folder, and a file is needed. 这是文件夹，需要文件。",
        errno.EEXIST: "it exists already. 已经存在。",
    }
    return place + meanings.get(error.errno, f"{error.strerror}.")


def _of_gradebook(error: Exception) -> str:
    """Say why the gradebook cannot be used; an empty text for any other error."""
    module = sys.modules.get("sqlalchemy.exc")  # not imported for this alone
    if module is None or not isinstance(error, module.DatabaseError):
        return ""
    return gradebook_problem(str(error))


def _import_commands(module: str) -> ModuleType:
    try:
        return importlib.import_module(f"tinybert_l.cli.{module}")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("tinybert_l.grading"):
            raise
        raise InstructorPartMissing from None
