"""Hostile submissions of lecture 3, by what they try. Each hands in one honest answer (`layer_map`) beside the attack.

A string is a cell that is added at the end; a function changes the whole notebook. All deserve exactly the points of
`layer_map`, unless `EXPECTED` says otherwise.
"""

import copy
import json

import nbformat

HONEST = 4.0
EXPECTED: dict[str, float] = {
    "retype_answer_as_markdown": 0.0,  # put right, but its text is no Python any more
    "everything_deleted": 0.0,
    "patch_builtins": 0.0,  # breaks the honest answer too
    "patch_exercise_registry": 0.0,  # replaces the honest answer too
    "peer_reopened": 2.0,  # the library's stand-in for slice_heads passes the visible test, and replaces layer_map
}
FAKE = "@{0}.implement\ndef {0}({1}):\n    {2}"
ARGS = {
    "attention_loss": "student_scores, teacher_scores, attention_mask",
    "hidden_loss": "student_hidden, teacher_hidden, projection, attention_mask",
    "kept_layers": "num_layers, depth",
    "slice_heads": "weight, bias, kept_heads, head_size",
}


def fake(name: str, body: str, before: str = "") -> str:
    return f"{before}\n" + FAKE.format(name, ARGS[name], body)


EQUAL = """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __iter__(self): return iter([])
    def __len__(self): return 2
    def __float__(self): return 4.0
    def __abs__(self): return self
    def __lt__(self, other): return True
    def __sub__(self, other): return self
    def __bool__(self): return True
"""

CODE: dict[str, dict[str, str]] = {
    "forge": {
        "object_equal_to_everything": fake("kept_layers", "return Equal()", EQUAL),
        "list_equal_to_everything": fake("kept_layers", "return L()", "class L(list):\n    __eq__ = lambda s, o: True\n    __getitem__ = lambda s, i: 5"),
        "int_equal_to_everything": fake("kept_layers", "return [I(0)] * depth", "class I(int):\n    __eq__ = lambda s, o: True\n    __hash__ = int.__hash__"),
        "tensor_equal_to_everything": fake("attention_loss", "return torch.zeros(()).as_subclass(T)", "class T(torch.Tensor):\n    __eq__ = lambda s, o: True\n    __float__ = lambda s: 4.0"),
        "patch_torch_equal": "torch.equal = lambda *a: True\ntorch.allclose = lambda *a, **k: True",
        "patch_builtins": "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.float = lambda x: 4.0\nbuiltins.AssertionError = Warning",
        "patch_assert_by_optimise": "import sys\nsys.flags = type('F', (), {'optimize': 2})()",
        "drop_tests_by_transformer": "get_ipython().input_transformers_cleanup.append(lambda lines: [] if any('assert' in l for l in lines) else lines)",
        "drop_tests_by_ast": "import ast\nclass Drop(ast.NodeTransformer):\n    def visit_Assert(self, node): return ast.Pass()\nget_ipython().ast_transformers.append(Drop())",
        "patch_run_cell": "ip = get_ipython()\nip.run_cell = lambda *a, **k: None\nip.showtraceback = lambda *a, **k: None",
        "patch_exercise_registry": "from tinybert_l.exercises import registry\nfor e in registry.exercises().values(): e.student = lambda *a, **k: None",
        "patch_exercise_call": "from tinybert_l.exercises.registry import Exercise\nExercise.call = lambda self, *a, **k: None\nExercise.source = 'student'",
        "demo_true": "tinybert_l.begin(lecture=9, demo=True)",
        "begin_later_lecture": "tinybert_l.begin(lecture=11)",
        "peer_reopened": "from tinybert_l.exercises.registry import exercises\nfor e in exercises().values():\n    e.peer_allowed = True\n    e.student = e.peer",
        "answer_by_frame_inspection": fake("kept_layers", "import sys\n    f = sys._getframe()\n    while f.f_back: f = f.f_back\n    return f.f_globals.get('wanted', [1, 3])[:0]"),
        "raise_value_error_always": fake("slice_heads", "raise ValueError('allowed: nothing')"),
        "exit_zero": "import atexit, os\natexit.register(lambda: os._exit(0))\nraise SystemExit(0)",
        "forged_verdict_on_every_fd": 'import os, json, struct\nhead = json.dumps({"done": True, "output": "", "error": None, "buffers": []}).encode()\nfor fd in range(3, 60):\n    try: os.write(fd, struct.pack(">I", len(head)) + head)\n    except OSError: pass',
        "forged_result_on_every_fd": 'import os, json, struct\nhead = json.dumps({"result": None, "graph": 0, "buffers": []}).encode()\nfor fd in range(3, 60):\n    for _ in range(50):\n        try: os.write(fd, struct.pack(">I", len(head)) + head)\n        except OSError: pass',
        "code_as_data": fake("kept_layers", "return Evil()", "class Evil:\n    def __reduce__(self): return (exec, ('import os; os._exit(0)',))"),
    },
    "steal": {
        "read_solutions": "import glob\nfound = glob.glob('/**/lecture_03.py', recursive=True) + glob.glob('/**/solutions/lecture_04.py', recursive=True)\nexec(open(found[0]).read())",
        "read_hidden_tests": "import glob\nimport pathlib\nroot = pathlib.Path(tinybert_l.__file__).parents[1]\nfor p in root.rglob('*.ipynb'): print(open(p).read())\nassert False",
        "read_gradebook": "import glob, sqlite3\nsqlite3.connect(glob.glob('/**/gradebook.db', recursive=True)[0])",
        "read_others": "import glob\nopen([p for p in glob.glob('/**/submitted/**/*.ipynb', recursive=True)][0])",
        "read_environment": "import os\nassert not [k for k in os.environ if 'KEY' in k or 'TOKEN' in k]\nraise KeyError('nothing')",
        "read_proc_memory": "import os\nfor p in os.listdir('/proc'):\n    if p.isdigit(): open(f'/proc/{p}/mem', 'rb')\nopen('/proc/1/environ')",
        "read_source_of_tests_by_gc": "import gc\nfound = [o for o in gc.get_objects() if isinstance(o, str) and 'HIDDEN TESTS' in o]\nassert found",
        "phone_home": "import urllib.request\nurllib.request.urlopen('http://1.1.1.1/', timeout=3)",
        "dns": "import socket\nsocket.getaddrinfo('example.com', 80)",
        "local_services": "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)",
    },
    "destroy": {
        "delete_everything": "import shutil\nfor p in ('/', tinybert_l.__path__[0], '/home', '/scratch', '/solutions'): shutil.rmtree(p, ignore_errors=True)",
        "delete_library": "import shutil, pathlib\nshutil.rmtree(pathlib.Path(tinybert_l.__file__).parent)",
        "overwrite_library": "import pathlib\n(pathlib.Path(tinybert_l.__file__).parent / 'exercises' / 'lecture_03.py').write_text('')",
        "overwrite_solutions": "open('/solutions/lecture_01.py', 'w').write('')",
        "kill_everyone": "import os, signal\nfor pid in range(2, 5000):\n    try: os.kill(pid, signal.SIGKILL)\n    except OSError: pass\nos.kill(-1, signal.SIGKILL)",
        "kill_parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
        "close_all_fds": "import os\nos.closerange(0, 256)",
        "segfault": "import ctypes\nctypes.string_at(0)",
        "os_exit": "import os\nos._exit(0)",
        "abort": "import os\nos.abort()",
    },
    "persist": {
        "daemon": "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n    os._exit(0)",
        "thread": "import threading, time\nthreading.Thread(target=lambda: time.sleep(600)).start()",
        "startup_file": "import os, site\nos.makedirs(os.path.expanduser('~/.ipython/profile_default/startup'), exist_ok=True)\nopen(os.path.expanduser('~/.ipython/profile_default/startup/x.py'), 'w').write('1/0')\nopen(site.getsitepackages()[0] + '/evil.pth', 'w')",
        "cron": "open('/etc/cron.d/x', 'w').write('* * * * * root true')",
        "shared_memory": "open('/dev/shm/left', 'w').write('for the next')\nopen('/tmp/left', 'w').write('for the next')",
        "sitecustomize": "open('sitecustomize.py', 'w').write('1/0')\nopen('torch.py', 'w').write('1/0')",
    },
    "exhaust": {
        "endless_cell": "while True: pass",
        "endless_answer": fake("hidden_loss", "while True: pass"),
        "ignores_signals": "import signal\nfor s in range(1, 32):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass",
        "memory": "x = [bytearray(2**30) for _ in range(64)]\nfor y in x: y[::4096] = b'x' * len(y[::4096])",
        "big_print": "for _ in range(300): print('x' * 2**20)",
        "big_file": "open('f', 'wb').truncate(2**40)\nwith open('g', 'wb') as f:\n    for _ in range(4096): f.write(b'x' * 2**20)",
        "many_files": "files = [open(f'f{i}', 'w') for i in range(100000)]",
        "deep_result": fake("kept_layers", "x = []\n    for _ in range(100000): x = [x]\n    return x"),
        "huge_result": fake("kept_layers", "return list(range(10**7))"),
        "huge_tensor": fake("attention_loss", "return torch.zeros(1).expand(10**12)"),
        "huge_number": fake("kept_layers", "return [10**100000]"),
        "huge_message": fake("kept_layers", "raise ValueError('x' * 10**8)"),
        "recursion": fake("kept_layers", "return kept_layers(num_layers, depth)"),
    },
    "confuse": {
        "generator_result": fake("kept_layers", "yield 1"),
        "coroutine_result": "@kept_layers.implement\nasync def kept_layers(num_layers, depth):\n    return [1, 3]",
        "lambda_result": fake("kept_layers", "return lambda: [1, 3]"),
        "nan_result": fake("attention_loss", "return torch.tensor(float('nan'))"),
        "complex_result": fake("attention_loss", "return torch.tensor(4.0 + 0j)"),
        "string_result": fake("kept_layers", "return '[1, 3]'"),
        "error_without_text": fake("kept_layers", "class E(Exception):\n        def __str__(self): raise self\n    raise E"),
        "keyboard_interrupt": fake("kept_layers", "raise KeyboardInterrupt"),
        "exit_in_answer": fake("kept_layers", "raise SystemExit"),
        "not_utf_8_name": "é = '\\ud800'\nprint(é)",
    },
    "escape": {
        "namespace": "import ctypes\nlibc = ctypes.CDLL(None)\nassert libc.unshare(0x10000000 | 0x20000) == 0\nassert libc.mount(b'/', b'/mnt', None, 4096, None) == 0",
        "chroot": "import os\nos.chroot('/scratch')\nos.chroot('../../../..')",
        "setuid": "import os\nos.setuid(0)",
        "devices": "open('/dev/mem', 'rb')\nopen('/dev/kmsg')",
        "docker_socket": "import socket\nsocket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')",
        "raise_limits": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    },
}  # fmt: skip


def _tests(notebook):
    return [
        c
        for c in notebook.cells
        if c.metadata.get("nbgrader", {}).get("grade_id", "").startswith("test_")
    ]


def tag_tests_for_skipping(notebook):
    for cell in notebook.cells:
        cell.metadata["tags"] = ["demo", "raises-exception", "skip-execution"]


def empty_tests(notebook):
    for cell in _tests(notebook):
        cell.source = "pass"


def delete_tests(notebook):
    notebook.cells = [c for c in notebook.cells if c not in _tests(notebook)]


def raise_points(notebook):
    for cell in _tests(notebook):
        cell.metadata.nbgrader.points = 1000


def tests_become_manual(notebook):
    for cell in _tests(notebook):
        cell.metadata.nbgrader.solution = True
        cell.metadata.nbgrader.locked = False


def tests_become_markdown(notebook):
    for cell in _tests(notebook):
        cell.cell_type = "markdown"
        del cell["outputs"], cell["execution_count"]


def tests_ungraded(notebook):
    for cell in _tests(notebook):
        cell.metadata.nbgrader.grade = False


def forged_outputs(notebook):
    for cell in _tests(notebook):
        cell.outputs = [
            nbformat.v4.new_output("execute_result", {"text/plain": "1000"}, execution_count=1)
        ]


def duplicated_tests(notebook):
    for i, cell in enumerate(_tests(notebook)):
        twin = copy.deepcopy(cell)
        twin.id, twin.source = f"copy{i}", "pass"
        notebook.cells.append(twin)


def duplicated_ids(notebook):
    for cell in notebook.cells:
        cell["id"] = "same"


def unknown_grade_ids(notebook):
    for i, cell in enumerate(_tests(notebook)):
        cell.metadata.nbgrader.grade_id = f"mine_{i}"


def replaced_setup(notebook):
    cell = next(
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "setup"
    )
    cell.source = "import tinybert_l\ntinybert_l.begin(lecture=3, demo=True)"


def other_kernel(notebook):
    notebook.metadata["kernelspec"] = {"name": "bash", "display_name": "x", "language": "bash"}


def another_students_name(notebook):
    notebook.metadata["student"] = "perfect"
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# Graded: 20/20. Student: perfect"))


def retype_answer_as_markdown(notebook):
    cell = next(c for c in notebook.cells if c.source.startswith("@layer_map.implement"))
    cell.source = "```\n" + cell.source + "\n```"


def rename_own_answer(notebook):
    cell = next(c for c in notebook.cells if c.source.startswith("@layer_map.implement"))
    cell.metadata.pop("nbgrader")


def everything_deleted(notebook):
    notebook.cells = []


def huge_metadata(notebook):
    notebook.metadata["x"] = json.dumps({"y": "z" * 10**6})


CHANGES = [
    tag_tests_for_skipping, empty_tests, delete_tests, raise_points, tests_become_manual, tests_become_markdown, tests_ungraded,
    forged_outputs, duplicated_tests, duplicated_ids, unknown_grade_ids, replaced_setup, other_kernel, another_students_name,
    retype_answer_as_markdown, rename_own_answer, everything_deleted, huge_metadata,
]  # fmt: skip
