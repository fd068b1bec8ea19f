"""Checks of the machine: Python and its packages, torch, memory, disk and cache.

A check returns one `Finding`. Nothing heavy is imported.
"""

import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from tinybert_l import __version__
from tinybert_l.cache import ENTRY, cache_root, read_entry

MINIMUM_PYTHON = (3, 11)
MEMORY_GB = 4
MEMORY_TOLERANCE = 0.9  # a machine sold with 4 GB shows a little less
DISK_GB = 3
TORCH_SECONDS = 120
PACKAGES = ("torch", "transformers", "numpy", "matplotlib", "jupyterlab", "ipykernel", "nbgrader")
EXPORT_PACKAGES = ("onnx", "onnxruntime")
TRY_TORCH = """
import torch
gpu = torch.cuda.is_available()
ones = torch.ones(64, 64, device="cuda" if gpu else "cpu")
assert float((ones @ ones)[0, 0]) == 64
print(f"{torch.__version__}, trains on: {torch.cuda.get_device_name() if gpu else 'CPU'}")
"""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Args:
        name: what was checked, in both languages.
        result: what the check saw.
        advice: what to do about it; empty when all is well.
        needed: whether everybody needs it; False for what only some uses need.
    """

    name: str
    result: str
    advice: str = ""
    needed: bool = True

    @property
    def is_well(self) -> bool:
        """Whether nothing has to be done."""
        return not self.advice

    @property
    def is_problem(self) -> bool:
        """Whether something is missing that everybody needs."""
        return self.needed and not self.is_well

    @property
    def mark(self) -> str:
        """The word in front of the finding."""
        if self.is_well:
            return "ok"
        return "PROBLEM" if self.needed else "note"


def python_version() -> Finding:
    """Check that Python is new enough."""
    major, minor = MINIMUM_PYTHON
    advice = ""
    if sys.version_info < MINIMUM_PYTHON:
        advice = f"install Python {major}.{minor} or newer 请安装更新的Python"
    return Finding("Python", platform.python_version(), advice)


def packages() -> Finding:
    """Check that the library's packages are installed; name their versions."""
    installed = []
    missing = []
    for name in PACKAGES:
        number = version_of(name)
        if number:
            installed.append(f"{name} {number}")
        else:
            missing.append(name)
    advice = ""
    if missing:
        advice = (
            f"missing: {', '.join(missing)}; in this environment run "
            f"'pip install ./tinybert_l-{__version__}-py3-none-any.whl', the course's file "
            "缺少软件包"
        )
    return Finding("packages 软件包", ", ".join(installed), advice)


def export_packages() -> Finding:
    """Check the packages for ONNX files: two lectures' measurements and `tinybert-l export`."""
    missing = [name for name in EXPORT_PACKAGES if not version_of(name)]
    advice = ""
    if missing:
        advice = f"missing: {', '.join(missing)}; pip install 'tinybert-l[export]' 导出ONNX时需要"
    number = version_of("onnxruntime") or "none"
    return Finding("ONNX export 导出", number, advice, needed=False)


def temporary_folder() -> Finding:
    """Check that temporary files can be written: torch and Jupyter need that to start."""
    name = "temporary folder 临时文件夹"
    try:
        with tempfile.TemporaryFile():
            return Finding(name, tempfile.gettempdir())
    except OSError as error:
        advice = "make a folder for temporary files and name it in TMPDIR 请设置TMPDIR"
        return Finding(name, error.strerror or str(error), advice)


def torch_works() -> Finding:
    """Check that torch multiplies matrices, in another process: a broken build may crash it."""
    name = "torch computes 计算"
    done = subprocess.run(
        [sys.executable, "-c", TRY_TORCH],
        capture_output=True,
        text=True,
        check=False,
        timeout=TORCH_SECONDS,
    )
    if done.returncode == 0:
        return Finding(name, done.stdout.strip())
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    advice = "reinstall it: pip install --force-reinstall torch 请重装torch"
    if "temporary directory" in lines[-1]:
        advice = "see the temporary folder above 见上面的临时文件夹"
    return Finding(name, lines[-1][:120], advice)


def memory() -> Finding:
    """Check that the machine has the memory that training needs."""
    import psutil

    total = psutil.virtual_memory().total / 2**30
    advice = ""
    if total < MEMORY_GB * MEMORY_TOLERANCE:
        advice = f"{MEMORY_GB} GB are needed; close other programs or use a larger machine 内存不足"
    return Finding("memory 内存", f"{total:.1f} GB", advice)


def disk() -> Finding:
    """Check that there is room for the cache."""
    root = cache_root()
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(place).free / 2**30
    advice = ""
    if free < DISK_GB:
        advice = (
            f"{DISK_GB} GB are needed at {place}; free some, "
            "or set TINYBERT_L_CACHE to another place 磁盘空间不足"
        )
    return Finding("disk 磁盘", f"{free:.1f} GB free", advice)


def cache_writable() -> Finding:
    """Check that the cache can be written."""
    name = "cache 缓存"
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            return Finding(name, str(root))
    except OSError as error:
        advice = "make it writable, or set TINYBERT_L_CACHE to a folder of yours 缓存目录不可写"
        return Finding(name, f"{root}: {error.strerror}", advice)


def cache_whole() -> Finding:
    """Check that cached results are whole, and were made with the torch that is installed."""
    root = cache_root()
    installed = _release_of(version_of("torch"))
    damaged = []
    outdated = []
    for folder in sorted(root.glob("*-*")):
        if not folder.is_dir() or folder.name.endswith(".work"):
            continue
        entry = read_entry(folder)
        if entry is None:
            damaged.append(folder.name)
        elif _release_of(entry.get("versions", {}).get("torch", "")) != installed:
            outdated.append(folder.name)
    advice = ""
    if damaged:
        advice = f"damaged, delete them: {', '.join(damaged)} 已损坏，请删除"
    elif outdated:
        names = ", ".join(outdated)
        advice = f"made with another torch, delete them to train anew: {names} 由其他版本生成"
    count = len(list(root.glob(f"*/{ENTRY}")))
    return Finding("cache entries 缓存内容", f"{count} whole", advice, needed=bool(damaged))


def version_of(package: str) -> str:
    """Return the version of an installed package; an empty string when it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _release_of(number: str) -> str:
    """Cut the build off a version: "2.13.0+cpu" is the release "2.13.0"."""
    return number.split("+")[0]
