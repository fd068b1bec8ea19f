"""Fine-tune MPNet, ask it, and ship what it answers: `python tools/make_mpnet_answers.py`.

Takes half an hour on two cores, and goes on where it was stopped. Needs the extra `mpnet`. Writes
tinybert_l/method/teacher_weights/mpnet_answers.npz and, beside it, the recipe, the versions and the
metrics of the teacher that answered.
"""

import json

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.method.mpnet import SHIPPED, SHIPPED_NOTE, ship_answers

UNLABELLED = 120_000


def main() -> None:
    note = {"command": "python tools/make_mpnet_answers.py", **ship_answers(UNLABELLED)}
    write_atomically(SHIPPED_NOTE, json.dumps({**note, **provenance()}, indent=1) + "\n")
    print(json.dumps(note["metrics"]), f"{SHIPPED.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
