"""Draw without a screen whatever window a notebook asks matplotlib for."""

import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
import types
from collections.abc import Sequence

_WINDOWS = re.compile(
    r"matplotlib\.backends\.backend_(?:tk|qt|qt5|gtk3|gtk4|wx|macosx|nb|web)(?:agg|cairo|_core)?"
)


class _Screenless(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the backend that draws into memory in place of one that needs a screen."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return this loader for a backend with windows."""
        if not _WINDOWS.fullmatch(name):
            return None
        return importlib.util.spec_from_loader(name, self)

    def exec_module(self, module: types.ModuleType) -> None:
        """Fill the module with what the backend in memory has."""
        from matplotlib.backends import backend_agg

        for name, value in vars(backend_agg).items():
            if not name.startswith("__"):
                setattr(module, name, value)


def draw_without_screen() -> None:
    """Let `matplotlib.use("TkAgg")` and its like work from now on, where no screen is."""
    if not any(isinstance(finder, _Screenless) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Screenless())
