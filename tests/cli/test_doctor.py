"""Each thing that can be wrong with a machine is produced on purpose, found, and explained."""

import sys
from collections import namedtuple

import pytest

from tinybert_l.cli import doctor, machine, tables


def test_a_sound_machine_is_found_sound(monkeypatch, checkout):
    monkeypatch.chdir(checkout)
    findings = {f.name: f for f in doctor.examine()}
    assert len(findings) == len(doctor.CHECKS)
    assert not [f for f in findings.values() if f.is_problem]


@pytest.mark.parametrize(("prints", "result"), [("", "none"), ("Noto Sans CJK SC", "Noto")])
def test_a_machine_without_a_chinese_font(monkeypatch, tmp_path, prints, result):
    program = tmp_path / "fc-list"
    program.write_text(f"#!/bin/sh\necho '{prints}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    finding = doctor.font_of_the_machine()
    assert finding.result.startswith(result) and not finding.needed
    assert ("feedback pages" in finding.advice) == (not prints)
    without_font = finding.advice.partition("; ")[2]
    assert "slides" not in without_font  # tools/make_slides.py gives them the package's font


def test_too_old_a_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert "3.11" in machine.python_version().advice


def test_a_missing_package(monkeypatch):
    monkeypatch.setattr(machine, "PACKAGES", ("torch", "no-such-package"))
    assert "missing: no-such-package" in machine.packages().advice


def test_what_stands_in_brackets_is_shown(monkeypatch, capsys):
    """Without them the advice would install nothing new; rich takes brackets for colours."""
    monkeypatch.setattr(machine, "EXPORT_PACKAGES", ("no-such-package",))
    monkeypatch.setenv("COLUMNS", "200")  # in one line, however wide the terminal is
    tables.show_findings([machine.export_packages()])
    assert "pip install 'tinybert-l[export]'" in capsys.readouterr().out


def test_a_broken_torch(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text(
        "raise OSError('libtorch_cpu.so: cannot open shared object file')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = machine.torch_works()
    assert "libtorch_cpu" in finding.result and "reinstall" in finding.advice


def test_too_little_memory_and_disk(monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: namedtuple("Memory", "total")(2 * 2**30))
    assert "4 GB" in machine.memory().advice
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: namedtuple("Disk", "free")(2**30))
    assert "TINYBERT_L_CACHE" in machine.disk().advice


def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path / "file" / "cache"))
    assert "TINYBERT_L_CACHE" in machine.cache_writable().advice


def test_a_damaged_and_a_stale_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path))
    (tmp_path / "teacher-0123").mkdir()
    assert "teacher-0123" in machine.cache_whole().advice and machine.cache_whole().needed
    (tmp_path / "teacher-0123" / "entry.json").write_text('{"versions": {"torch": "1.0"}}')
    assert "another torch" in machine.cache_whole().advice and not machine.cache_whole().needed


@pytest.mark.parametrize("spec", [None, "/no/such/python"])
def test_a_missing_or_broken_kernel(monkeypatch, spec):
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

    def found(self, name):
        if spec is None:
            raise NoSuchKernel(name)
        return KernelSpec(argv=[spec], resource_dir="x")

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", found)
    assert "ipykernel install" in doctor.kernel().advice


def test_a_kernel_that_is_started_as_python_needs_none_on_the_path(monkeypatch):
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

    monkeypatch.setattr(
        KernelSpecManager,
        "get_kernel_spec",
        lambda *_: KernelSpec(argv=["python"], resource_dir="x"),
    )
    monkeypatch.setenv("PATH", "")
    assert doctor.kernel().is_well


def test_a_missing_temporary_folder_is_no_fault_of_torch(monkeypatch, tmp_path):
    def missing():
        raise FileNotFoundError("No usable temporary directory found in [...]")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", missing)
    assert "TMPDIR" in machine.temporary_folder().advice
    (tmp_path / "torch.py").write_text(
        "raise FileNotFoundError('No usable temporary directory found in [...]')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "reinstall" not in machine.torch_works().advice


def test_a_missing_font(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "FONT", tmp_path / "font.ttf")
    assert "force-reinstall" in doctor.chinese_font().advice


def test_no_sandbox(monkeypatch):
    monkeypatch.setattr(
        "tinybert_l.grading.outside.sandbox.problem",
        lambda: "the program bwrap is missing; install it",
    )
    finding = doctor.sandbox()
    assert "install it" in finding.advice and not finding.needed


def test_a_wrong_nbgrader_configuration(monkeypatch, tmp_path):
    (tmp_path / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.root = '/x'\n"
    )
    monkeypatch.chdir(tmp_path)
    assert "TrustedExecute" in doctor.nbgrader_configuration().advice


def test_a_check_that_cannot_be_made_is_a_finding(monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", (lambda: 1 / 0,))
    (finding,) = doctor.examine()
    assert "ZeroDivisionError" in finding.result and not finding.is_well
