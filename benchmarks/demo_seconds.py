"""Seconds of the demo's steps, which the demo reads to say beforehand how long it will take.

`python benchmarks/demo_seconds.py` runs `tinybert-l demo` twice, in full and quick, each with an
empty cache and in an empty folder, and writes results/demo_seconds.json.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.cli.forecast import RECORD

SIZES = {"full": [], "quick": ["--quick"]}


def run_demo(options: list[str]) -> dict[str, Any]:
    """Run the demo with nothing to start from; return its own record of seconds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"TINYBERT_L_CACHE": str(Path(folder) / "cache")}
        command = [sys.executable, "-m", "tinybert_l.cli", "demo", *options, "--output", folder]
        subprocess.run(command, env=environment, check=True)
        (record,) = Path(folder).rglob("demo_seconds.json")
        return json.loads(record.read_text(encoding="utf-8"))


def main() -> None:
    """Run both sizes and keep their seconds."""
    record: dict[str, Any] = {"command": "python benchmarks/demo_seconds.py"}
    for options in SIZES.values():
        record |= run_demo(options)
    record |= provenance()
    write_atomically(RECORD, json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
