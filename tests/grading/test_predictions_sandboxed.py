"""A prediction in a submission runs in the sandbox, needs no file there, and earns nothing."""

import pytest

from tinybert_l.grading.outside import execute, forker, sandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.nightly,  # starts a sandbox for one cell
    pytest.mark.skipif(sandbox.problem() is not None, reason=f"no sandbox: {sandbox.problem()}"),
]
SETUP = (
    "import tinybert_l\nfrom tinybert_l import kept_layers, layer_map\ntinybert_l.begin(lecture=3)"
)
PREDICTED = """from tinybert_l.course.predictions import predict, show_answer
predict("products-share", low=5, high=20)
show_answer("products-share", 8.0)
import os, sys
files = [name for name in os.listdir() if "predictions" in name]
print(files, "ipywidgets" in sys.modules)"""
WRONG = "@kept_layers.implement\ndef kept_layers(num_layers, depth):\n    return [0]"
TEST = "assert kept_layers(6, 2) == [2, 5]"
# what a submission would try: every prediction right, and the module's own functions replaced
FORGED = """import tinybert_l.course.predictions as module
module.predict = module.show_answer = module.history = lambda *_, **__: True
module.predict("products-share", low=8, high=8)"""


def test_predictions_change_no_points_and_leave_no_file():
    plan = execute.Plan(3, (SETUP,), (PREDICTED, WRONG, FORGED), (TEST,))
    outcome = execute.execute(plan, forker.socket_path(3, unsafe=False), 60, 20)
    predicted = outcome.cells[0]
    assert predicted["error"] is None, predicted
    assert "kept while this kernel runs" in predicted["output"]
    assert "your interval holds it" in predicted["output"]
    assert predicted["output"].rstrip().endswith("[] False")
    assert outcome.cells[2]["error"] is None
    assert outcome.tests[0] is not None and outcome.tests[0]["ename"] == "AssertionError"
