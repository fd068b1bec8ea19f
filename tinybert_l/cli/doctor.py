"""Examine whether this machine is ready for the course: all checks, and those of its parts.

The checks of the machine itself are in `tinybert_l.cli.machine`. Nothing heavy is imported.
"""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tinybert_l import __version__
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
        "the installation is not whole: pip install --force-reinstall --no-deps, and the wheel "
        f"tinybert_l-{__version__}-py3-none-any.whl 字体缺失"
    )
    return Finding(name, "missing", advice)


def font_of_the_machine() -> Finding:
    """Look for a Chinese font outside the package, which pages in a browser use."""
    name = "Chinese font of the machine 系统中文字体"
    program = shutil.which("fc-list")
    if program is None:  # macOS and Windows have fonts, and not this program
        return Finding(name, "not examined 未检查", needed=False)
    command = [program, ":lang=zh", "family"]
    families = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    if families.stdout.strip():
        return Finding(name, families.stdout.strip().splitlines()[0], needed=False)
    advice = (
        "figures, slides, tinybert-l lab and class reports show Chinese with the package's font; "
        "feedback pages and a plain jupyter lab show boxes: install one, such as fonts-noto-cjk "
        "反馈页和直接启动的jupyter lab中的中文会显示为方框，请安装字体"
    )
    return Finding(name, "none", advice, needed=False)


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
    font_of_the_machine,
    kernel,
    nbgrader_configuration,
    sandbox,
    machine.torch_works,
)
