"""`python -m tinybert_l.cli`, as `accelerate launch -m` needs it."""

from tinybert_l.cli import run

run()
