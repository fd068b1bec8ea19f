"""Examine whether this machine is ready for the course: all checks, and those of its parts.

The checks of the machine itself are in `tinybert_l.cli.machine`. Nothing heavy is imported.
"""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tinybert_l.cli import machine
from tinybert_l.cli.machine import Finding
from tinybert_l.course.fonts import FONT

FONT_BYTES = 500_000  # a whole font is larger


def examine() -> Iterator[Finding]:
    """Run all checks, quickest first. A check that fails to run is itself a finding."""
    for check in CHECKS:
        try:
            yield check()
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            yield Finding(check.__name__, message, "this check could not be made 无法检查")


def kernel() -> Finding:
    """Check that Jupyter's Python kernel is installed and starts a program that exists."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    name = "kernel python3 内核"
    install = f"{sys.executable} -m ipykernel install --sys-prefix"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Finding(name, "missing", f"{install} 请安装内核")
    program = spec.argv[0]
    advice = ""
    is_this_python = program in ("python", "python3", f"python3.{sys.version_info.minor}")
    # Jupyter puts the path of its own Python in the place of such a name
    if not (is_this_python or Path(program).exists() or shutil.which(program)):
        advice = f"it starts {program}, which is not there: {install} 内核已损坏"
    return Finding(name, spec.resource_dir, advice)


def chinese_font() -> Finding:
    """Check that the font for Chinese text in figures came with the library."""
    name = "Chinese font 中文字体"
    if FONT.is_file() and FONT.stat().st_size > FONT_BYTES:
        return Finding(name, f"{FONT.name}, in the package")
    advice = (
        "the installation is not whole: pip install --force-reinstall --no-deps tinybert-l 字体缺失"
    )
    return Finding(name, "missing", advice)


def sandbox() -> Finding:
    """Check that submissions can be isolated, where submissions are graded."""
    name = "sandbox 沙箱"
    if not _has_instructor_part():
        return Finding(name, "not needed by students 学生无需")
    from tinybert_l.grading.outside.sandbox import problem

    reason = problem()
    if reason:
        return Finding(name, "none", reason, needed=False)
    return Finding(name, "bubblewrap works", needed=False)


def nbgrader_configuration() -> Finding:
    """Check that nbgrader grades by the trusted steps here.

    A configuration that has lost them would grade in the student's own process.
    """
    name = "nbgrader configuration 配置"
    path = Path.cwd() / "nbgrader_config.py"
    if not path.is_file():
        return Finding(name, "none in this folder")
    if not _has_instructor_part():
        return Finding(name, str(path))
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader(path.name, path=str(path.parent)).load_config()
    if "CourseDirectory" not in config and config.Execute.get("skip_cells_with_tag") == "demo":
        return Finding(name, "a student's folder")
    steps = config.Autograde.get("autograde_preprocessors", [])
    is_trusted = any("TrustedExecute" in str(step) for step in steps)
    if is_trusted and config.CourseDirectory.get("root"):
        return Finding(name, "trusted grading is in force")
    advice = (
        "Autograde lacks TrustedExecute, or CourseDirectory.root is unset: "
        "take the file that 'tinybert-l course init' makes 配置有误"
    )
    return Finding(name, str(path), advice)


def _has_instructor_part() -> bool:
    return importlib.util.find_spec("tinybert_l.grading") is not None


CHECKS: tuple[Callable[[], Finding], ...] = (
    machine.python_version,
    machine.packages,
    machine.export_packages,
    machine.memory,
    machine.disk,
    machine.temporary_folder,
    machine.cache_writable,
    machine.cache_whole,
    chinese_font,
    kernel,
    nbgrader_configuration,
    sandbox,
    machine.torch_works,
)
