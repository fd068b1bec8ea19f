"""Is this machine ready? One finding a check, each with what to do about it. Imports nothing heavy."""

import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tinybert_l.cache import ENTRY, cache_root, read_entry
from tinybert_l.course.fonts import FONT

PYTHON = (3, 11)
MEMORY_GB, DISK_GB = 4, 3
PACKAGES = ("torch", "transformers", "numpy", "matplotlib", "jupyterlab", "ipykernel", "nbgrader")


@dataclass(frozen=True)
class Finding:
    """What a check found. `advice` is empty when all is well; `needed` is False for what only some uses need."""

    name: str
    found: str
    advice: str = ""
    needed: bool = True

    @property
    def well(self) -> bool:
        return not self.advice


def examine() -> Iterator[Finding]:
    """Run all checks, quickest first. A check that fails to run is itself a finding."""
    for check in CHECKS:
        try:
            yield check()
        except Exception as error:
            yield Finding(
                check.__name__,
                f"{type(error).__name__}: {error}",
                "this check could not be made 无法检查",
            )


def python_version() -> Finding:
    advice = f"install Python {PYTHON[0]}.{PYTHON[1]} or newer 请安装更新的Python"
    return Finding(
        "Python", platform.python_version(), "" if sys.version_info >= PYTHON else advice
    )


def packages() -> Finding:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    advice = (
        f"missing: {', '.join(missing)}; run 'pip install tinybert-l' in this environment 缺少软件包"
        if missing
        else ""
    )
    return Finding("packages 软件包", ", ".join(found), advice)


def export_packages() -> Finding:
    """Only for ONNX files: two lectures' measurements, and `tinybert-l export`."""
    missing = [name for name in ("onnx", "onnxruntime") if not _version(name)]
    advice = (
        f"missing: {', '.join(missing)}; pip install 'tinybert-l[export]' 导出ONNX时需要"
        if missing
        else ""
    )
    return Finding("ONNX export 导出", _version("onnxruntime") or "none", advice, needed=False)


def torch_works() -> Finding:
    """In a process of its own: a broken build may crash, not raise."""
    code = (
        "import torch; gpu = torch.cuda.is_available(); a = torch.ones(64, 64, device='cuda' if gpu else 'cpu'); "
        "assert float((a @ a)[0, 0]) == 64; "
        "print(f'{torch.__version__}, trains on: {torch.cuda.get_device_name() if gpu else \"CPU\"}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode == 0:
        return Finding("torch computes 计算", done.stdout.strip())
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return Finding(
        "torch computes 计算",
        last[:120],
        "reinstall it: pip install --force-reinstall torch 请重装torch",
    )


def memory() -> Finding:
    import psutil

    total = psutil.virtual_memory().total / 2**30
    advice = f"{MEMORY_GB} GB are needed; close other programs or use a larger machine 内存不足"
    return Finding("memory 内存", f"{total:.1f} GB", "" if total >= MEMORY_GB * 0.9 else advice)


def disk() -> Finding:
    place = next(p for p in (cache_root(), *cache_root().parents) if p.exists())
    free = shutil.disk_usage(place).free / 2**30
    advice = f"{DISK_GB} GB are needed at {place}; free some, or set TINYBERT_L_CACHE to another place 磁盘空间不足"
    return Finding("disk 磁盘", f"{free:.1f} GB free", "" if free >= DISK_GB else advice)


def cache_writable() -> Finding:
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            return Finding("cache 缓存", str(root))
    except OSError as error:
        advice = "make it writable, or set TINYBERT_L_CACHE to a folder of yours 缓存目录不可写"
        return Finding("cache 缓存", f"{root}: {error.strerror}", advice)


def cache_whole() -> Finding:
    """Entries without a readable entry.json, or whose versions differ from today's."""
    root, damaged, old = cache_root(), [], []
    for folder in sorted(
        p for p in root.glob("*-*") if p.is_dir() and not p.name.endswith(".work")
    ):
        entry = read_entry(folder)
        if entry is None:
            damaged.append(folder.name)
        elif (
            entry.get("versions", {}).get("torch", "").split("+")[0]
            != _version("torch").split("+")[0]
        ):
            old.append(folder.name)
    advice = ""
    if damaged:
        advice = f"damaged, delete them: {', '.join(damaged)} 已损坏，请删除"
    elif old:
        advice = (
            f"made with another torch, delete them to train anew: {', '.join(old)} 由其他版本生成"
        )
    names = [p.name for p in root.glob(f"*/{ENTRY}")]
    return Finding("cache entries 缓存内容", f"{len(names)} whole", advice, needed=bool(damaged))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def kernel() -> Finding:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        advice = f"{sys.executable} -m ipykernel install --sys-prefix 请安装内核"
        return Finding("kernel python3 内核", "missing", advice)
    program = spec.argv[0]
    works = Path(program).exists() or shutil.which(program) is not None
    advice = f"it starts {program}, which is not there: {sys.executable} -m ipykernel install --sys-prefix 内核已损坏"
    return Finding("kernel python3 内核", spec.resource_dir, "" if works else advice)


def chinese_font() -> Finding:
    if FONT.is_file() and FONT.stat().st_size > 500_000:
        return Finding("Chinese font 中文字体", f"{FONT.name}, in the package")
    advice = (
        "the installation is not whole: pip install --force-reinstall --no-deps tinybert-l 字体缺失"
    )
    return Finding("Chinese font 中文字体", "missing", advice)


def sandbox() -> Finding:
    """Only where submissions are graded."""
    if importlib.util.find_spec("tinybert_l.grading") is None:
        return Finding("sandbox 沙箱", "not needed by students 学生无需")
    from tinybert_l.grading.outside.sandbox import problem

    reason = problem()
    return Finding(
        "sandbox 沙箱", "none" if reason else "bubblewrap works", reason or "", needed=False
    )


def nbgrader_configuration() -> Finding:
    """A course whose configuration has lost the trusted steps would grade in the student's own process."""
    name = "nbgrader configuration 配置"
    path = Path.cwd() / "nbgrader_config.py"
    if not path.is_file():
        return Finding(name, "none in this folder")
    if importlib.util.find_spec("tinybert_l.grading") is None:
        return Finding(name, str(path))
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader(path.name, path=str(path.parent)).load_config()
    if "CourseDirectory" not in config and config.Execute.get("skip_cells_with_tag") == "demo":
        return Finding(name, "a student's folder")
    steps = [str(s) for s in config.Autograde.get("autograde_preprocessors", [])]
    if any("TrustedExecute" in s for s in steps) and config.CourseDirectory.get("root"):
        return Finding(name, "trusted grading is in force")
    advice = (
        "Autograde lacks TrustedExecute, or CourseDirectory.root is unset: take the file that 'tinybert-l course init' "
        "makes 配置有误"
    )
    return Finding(name, str(path), advice)


CHECKS: tuple[Callable[[], Finding], ...] = (
    python_version, packages, export_packages, memory, disk, cache_writable, cache_whole, chinese_font, kernel,
    nbgrader_configuration, sandbox, torch_works,
)  # fmt: skip
