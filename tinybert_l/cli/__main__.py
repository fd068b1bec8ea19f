"""`python -m tinybert_l.cli`, as `torchrun -m` needs it."""

from tinybert_l.cli import run

run()
