"""Measure the teacher's time on the reference machine: `python benchmarks/capstone_reference.py`.

Takes a minute. The capstone's budget is 2 ms a sentence on this machine; elsewhere it is the same
share of the teacher's time there. `--record` writes the file that the rules read.
"""

import json
import sys
from pathlib import Path
from statistics import median

from contest import cpu_model

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.course.capstone.asking import ROUNDS, SENTENCES_TIMED, Program, ask
from tinybert_l.course.capstone.entries import teacher_folder
from tinybert_l.course.capstone.program import PASSES, Job
from tinybert_l.course.capstone.rules import REFERENCE_MACHINE
from tinybert_l.course.capstone.sentences import validation_sentences

SECONDS = 600.0


def main() -> None:
    folder = str(teacher_folder())
    sentences = validation_sentences().texts[:SENTENCES_TIMED]
    timed = list(range(len(sentences)))
    program = Program.here(Path(folder))
    (reply,) = ask(Job([folder], sentences, SECONDS, folder, timed, ROUNDS), program)
    record = {
        "command": "python benchmarks/capstone_reference.py --record",
        "teacher_ms": round(median(reply["teacher_ms"]), 3),
        "rounds_ms": reply["teacher_ms"],
        "sentences": len(sentences),
        "passes": PASSES,
        "cpu": cpu_model(),
        **provenance(),
    }
    text = json.dumps(record, indent=1) + "\n"
    print(text)
    if "--record" in sys.argv:
        write_atomically(REFERENCE_MACHINE, text)


if __name__ == "__main__":
    main()
