"""Submissions that try to get points without an answer: values that equal all, patched tools."""

from .answers import answer

EQUAL = """
class Equal:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __getattr__(self, name):
        return self

    def __call__(self, *a, **k):
        return self

    def __iter__(self):
        return iter([])

    def __len__(self):
        return 2

    def __float__(self):
        return 4.0

    def __abs__(self):
        return self

    def __lt__(self, other):
        return True

    def __sub__(self, other):
        return self

    def __bool__(self):
        return True
"""

ATTACKS = {
    "object_equal_to_everything": answer("kept_layers", "return Equal()", before=EQUAL),
    "list_equal_to_everything": answer(
        "kept_layers",
        "return L()",
        before="""
class L(list):
    __eq__ = lambda s, o: True
    __getitem__ = lambda s, i: 5
""",
    ),
    "int_equal_to_everything": answer(
        "kept_layers",
        "return [I(0)] * depth",
        before="""
class I(int):
    __eq__ = lambda s, o: True
    __hash__ = int.__hash__
""",
    ),
    "tensor_equal_to_everything": answer(
        "attention_loss",
        "return torch.zeros(()).as_subclass(T)",
        before="""
class T(torch.Tensor):
    __eq__ = lambda s, o: True
    __float__ = lambda s: 4.0
""",
    ),
    "patch_torch_equal": """
torch.equal = lambda *a: True
torch.allclose = lambda *a, **k: True
""",
    "patch_builtins": """
import builtins

builtins.abs = lambda x: 0
builtins.float = lambda x: 4.0
builtins.AssertionError = Warning
""",
    "patch_assert_by_optimise": """
import sys

sys.flags = type("F", (), {"optimize": 2})()
""",
    "drop_tests_by_transformer": """
get_ipython().input_transformers_cleanup.append(
    lambda lines: [] if any("assert" in l for l in lines) else lines
)
""",
    "drop_tests_by_ast": """
import ast


class Drop(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()


get_ipython().ast_transformers.append(Drop())
""",
    "patch_run_cell": """
ip = get_ipython()
ip.run_cell = lambda *a, **k: None
ip.showtraceback = lambda *a, **k: None
""",
    "patch_exercise_registry": """
from tinybert_l.exercises import registry

for e in registry.exercises().values():
    e.student = lambda *a, **k: None
""",
    "patch_exercise_call": """
from tinybert_l.exercises.registry import Exercise

Exercise.call = lambda self, *a, **k: None
Exercise.source = "student"
""",
    "demo_true": "tinybert_l.begin(lecture=9, demo=True)",
    "begin_later_lecture": "tinybert_l.begin(lecture=11)",
    "peer_reopened": """
from tinybert_l.exercises.registry import exercises

for e in exercises().values():
    e.peer_allowed = True
    e.student = e.peer
""",
    "answer_by_frame_inspection": answer(
        "kept_layers",
        """
import sys

f = sys._getframe()
while f.f_back:
    f = f.f_back
return f.f_globals.get("wanted", [1, 3])[:0]
""",
    ),
    "raise_value_error_always": answer(
        "slice_heads",
        """
raise ValueError("allowed: nothing")
""",
    ),
    "exit_zero": """
import atexit, os

atexit.register(lambda: os._exit(0))
raise SystemExit(0)
""",
    "forged_verdict_on_every_fd": """
import os, json, struct

head = json.dumps({"done": True, "output": "", "error": None, "buffers": []}).encode()
for fd in range(3, 60):
    try:
        os.write(fd, struct.pack(">I", len(head)) + head)
    except OSError:
        pass
""",
    "forged_result_on_every_fd": """
import os, json, struct

head = json.dumps({"result": None, "graph": 0, "buffers": []}).encode()
for fd in range(3, 60):
    for _ in range(50):
        try:
            os.write(fd, struct.pack(">I", len(head)) + head)
        except OSError:
            pass
""",
    "code_as_data": answer(
        "kept_layers",
        "return Evil()",
        before="""
class Evil:
    def __reduce__(self):
        return (exec, ("import os; os._exit(0)",))
""",
    ),
}
