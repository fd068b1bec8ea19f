"""The tests of the exercises, tested: wrong ideas fail with a message that teaches, other right answers pass."""

import json
import re
import subprocess
import sys

import pytest
import zoo

from tinybert_l.course.judging import Task, judge_notebook, read_tests, run_task
from tinybert_l.exercises.registry import exercises, find_exercise
from tinybert_l.exercises.released import copy_released

# exercise, name of the idea, code, a part of a message that it must meet
WRONG = [
    ("kept_layers", "off by one", "return [i*num_layers//depth for i in range(1, depth+1)]", "Layers count from 0"),
    ("kept_layers", "first layers", "return list(range(depth))", "worked example"),
    ("kept_layers", "fixed step", "s=num_layers//depth\n    return list(range(s-1, num_layers, s))[:depth]", "fixed step"),
    ("kept_layers", "rounds", "return [round(i*num_layers/depth)-1 for i in range(1, depth+1)]", "round"),
    ("kept_layers", "no check", "return [i*num_layers//depth-1 for i in range(1, depth+1)]", "should raise ValueError"),
    ("kept_layers", "floats", "return [i*num_layers/depth//1-1 for i in range(1, depth+1)]", "whole numbers"),
    ("layer_map", "from zero", "return [m*num_teacher_layers//num_student_layers-1 for m in range(1, num_student_layers+1)]",
     "count from 1"),
    ("layer_map", "ignores strategy", "return [m*num_teacher_layers//num_student_layers for m in range(1, num_student_layers+1)]",
     "top takes the last layers"),
    ("layer_map", "fixed step",
     "k=num_teacher_layers//num_student_layers\n    M, N = num_student_layers, num_teacher_layers\n"
     "    return {'uniform': [k*m for m in range(1, M+1)], 'top': list(range(N-M+1, N+1)), 'bottom': list(range(1, M+1))}[strategy]",
     "fixed step"),
    ("layer_map", "missing one", "return list(range(1, num_student_layers))", "worked example"),
    ("hidden_loss", "padding counted",
     "m=attention_mask[..., None]\n    s=student_hidden if projection is None else student_hidden@projection\n"
     "    return ((s-teacher_hidden)*m).pow(2).mean()", "still counted"),
    ("hidden_loss", "sum", "t=attention_mask.bool()\n    s=student_hidden[t]\n    s=s if projection is None else s@projection\n"
     "    return (s-teacher_hidden[t]).pow(2).sum()/max(int(t.sum()),1)", "20 is the sum"),
    ("hidden_loss", "nan times zero",
     "m=attention_mask[..., None]\n    s=student_hidden if projection is None else student_hidden@projection\n"
     "    d=(s-teacher_hidden.detach())*m\n    return d.pow(2).sum()/(m.sum()*d.shape[-1]).clamp(min=1)", "NaN times 0"),
    ("hidden_loss", "teacher learns", "t=attention_mask.bool()\n    s=student_hidden[t]\n"
     "    s=s if projection is None else s@projection\n    d=s-teacher_hidden[t]\n"
     "    return d.pow(2).sum()/max(d.numel(),1)", "teacher must receive no gradient"),
    ("hidden_loss", "student detached", "t=attention_mask.bool()\n    s=student_hidden.detach()[t]\n"
     "    s=s if projection is None else s@projection\n    d=s-teacher_hidden.detach()[t]\n"
     "    return d.pow(2).sum()/max(d.numel(),1)", "radient"),
    ("hidden_loss", "mean of sentences",
     "out=[]\n    for s, t, m in zip(student_hidden, teacher_hidden.detach(), attention_mask.bool()):\n"
     "        s = s[m] if projection is None else s[m]@projection\n        out.append((s-t[m]).pow(2).mean())\n"
     "    return torch.stack(out).mean()", "whole batch"),
    ("attention_loss", "padding counted",
     "m=(attention_mask[:,None,:,None]*attention_mask[:,None,None,:]).bool()\n"
     "    d=torch.where(m, student_scores-teacher_scores.detach(), 0.)\n    return d.pow(2).mean()", "still counted"),
    ("attention_loss", "mask times",
     "m=attention_mask[:,None,:,None]*attention_mask[:,None,None,:]\n    d=(student_scores-teacher_scores)*m\n"
     "    return d.pow(2).sum()/(m.sum()*student_scores.shape[1])", "-inf minus -inf"),
    ("attention_loss", "sum over heads",
     "m=(attention_mask[:,None,:,None]*attention_mask[:,None,None,:]).bool()\n"
     "    d=torch.where(m, student_scores-teacher_scores.detach(), 0.)\n    return d.pow(2).sum()/m.sum().clamp(min=1)",
     "heads are summed"),
    ("attention_loss", "softmax first",
     "m=(attention_mask[:,None,:,None]*attention_mask[:,None,None,:]).bool()\n"
     "    d=torch.where(m, student_scores.softmax(-1)-teacher_scores.softmax(-1).detach(), 0.)\n"
     "    return d.pow(2).sum()/(m.sum()*student_scores.shape[1]).clamp(min=1)", "not softmax|real pair"),
    ("attention_loss", "keys only",
     "m=attention_mask.bool()[:,None,None,:].expand_as(student_scores)\n"
     "    d=student_scores[m]-teacher_scores.detach()[m]\n    return d.pow(2).sum()/max(d.numel(),1)", "NaN|real"),
    ("attention_loss", "broadcasts heads",
     "m=(attention_mask[:,None,:,None]*attention_mask[:,None,None,:]).bool()\n"
     "    d=torch.where(m, student_scores-teacher_scores.detach(), 0.)\n"
     "    return d.pow(2).sum()/(m.sum()*d.shape[1]).clamp(min=1)", "not broadcast"),
    ("slice_heads", "sorted", "k=sorted(kept_heads)\n    r=[h*head_size+i for h in k for i in range(head_size)]\n"
     "    return weight[r], None if bias is None else bias[r]", "order given"),
    ("slice_heads", "bias forgotten", "r=[h*head_size+i for h in kept_heads for i in range(head_size)]\n"
     "    return weight[r], bias", "bias follows"),
    ("slice_heads", "detached", "r=[h*head_size+i for h in kept_heads for i in range(head_size)]\n"
     "    return weight.detach()[r], None if bias is None else bias.detach()[r]", "radient|require grad"),
    ("slice_heads", "no check", "r=[h*head_size+i for h in kept_heads for i in range(head_size)]\n"
     "    return weight[r], None if bias is None else bias[r]", "out of range or twice"),
    ("slice_heads", "interleaved", "n=weight.shape[0]//head_size\n    r=[i*n+h for h in kept_heads for i in range(head_size)]\n"
     "    return weight[r], None if bias is None else bias[r]", "rows 2, 3, 0, 1"),
]  # fmt: skip
RIGHT = [
    ("kept_layers", "loop", "if depth < 1 or depth > num_layers:\n        raise ValueError('no')\n    out = []\n"
     "    for i in range(1, depth + 1):\n        out.append(int(i * num_layers / depth) - 1)\n    return out"),
    ("kept_layers", "by layer_map", "if depth < 1 or depth > num_layers:\n        raise ValueError('no')\n"
     "    import math\n    return [math.floor(i * num_layers / depth) - 1 for i in range(1, depth + 1)]"),
    ("layer_map", "chain", "M, N = num_student_layers, num_teacher_layers\n    if M < 1 or M > N:\n        raise ValueError('M')\n"
     "    if strategy not in ('uniform', 'top', 'bottom'):\n        raise ValueError('s')\n    out = []\n"
     "    for m in range(1, M + 1):\n        if strategy == 'uniform':\n            out.append(int(m * N / M))\n"
     "        elif strategy == 'top':\n            out.append(N - M + m)\n        else:\n            out.append(m)\n    return out"),
    ("hidden_loss", "select", "t = attention_mask.bool()\n    s, h = student_hidden[t], teacher_hidden.detach()[t]\n"
     "    if projection is not None:\n        s = s @ projection\n    if s.shape != h.shape:\n        raise ValueError('sizes')\n"
     "    return torch.nn.functional.mse_loss(s, h) if len(s) else (s * 0).sum()"),
    ("hidden_loss", "einsum and masked_fill", "pad = (attention_mask == 0)[..., None]\n"
     "    s, h = student_hidden.masked_fill(pad, 0), teacher_hidden.detach().masked_fill(pad, 0)\n"
     "    if projection is not None:\n        s = torch.einsum('bsh,hk->bsk', s, projection)\n"
     "    elif s.shape != h.shape:\n        raise ValueError('sizes')\n"
     "    return ((s - h) ** 2).sum() / max(1, int(attention_mask.sum()) * h.shape[-1])"),
    ("attention_loss", "loop over texts", "if student_scores.shape != teacher_scores.shape:\n        raise ValueError('shape')\n"
     "    total, count = student_scores.new_zeros(()), 0\n"
     "    for s, t, m in zip(student_scores, teacher_scores.detach(), attention_mask.bool()):\n"
     "        d = s[:, m][:, :, m] - t[:, m][:, :, m]\n        total = total + (d ** 2).sum()\n        count += d.numel()\n"
     "    return total / max(count, 1)"),
    ("attention_loss", "masked_fill", "if student_scores.shape != teacher_scores.shape:\n        raise ValueError('shape')\n"
     "    m = attention_mask.float()\n    pair = torch.einsum('bq,bk->bqk', m, m)[:, None]\n    off = pair == 0\n"
     "    d = student_scores.masked_fill(off, 0) - teacher_scores.detach().masked_fill(off, 0)\n"
     "    return d.pow(2).sum(dim=(0, 2, 3)).mean() / pair.sum().clamp(min=1)"),
    ("slice_heads", "view", "n = weight.shape[0] // head_size\n    heads = list(kept_heads)\n"
     "    if len(set(heads)) < len(heads) or any(h not in range(n) for h in heads):\n        raise ValueError('heads')\n"
     "    w = weight.view(n, head_size, -1)[heads].reshape(-1, weight.shape[1])\n"
     "    return w, bias if bias is None else bias.view(n, head_size)[heads].reshape(-1)"),
    ("slice_heads", "cat", "n = len(weight) // head_size\n    seen = set()\n    for h in kept_heads:\n"
     "        if h < 0 or h >= n or h in seen:\n            raise ValueError('heads')\n        seen.add(h)\n"
     "    cut = lambda t: torch.cat([t[h * head_size:(h + 1) * head_size] for h in kept_heads])\n"
     "    return cut(weight), None if bias is None else cut(bias)"),
]  # fmt: skip
SIGNATURE = {
    **zoo.SIGNATURE,
    "kept_layers": "num_layers, depth",
    "layer_map": 'num_student_layers, num_teacher_layers, strategy="uniform"',
    "hidden_loss": "student_hidden, teacher_hidden, projection, attention_mask",
    "attention_loss": "student_scores, teacher_scores, attention_mask",
    "slice_heads": "weight, bias, kept_heads, head_size",
}


def indented(body: str) -> str:
    return body.strip().replace("\n", "\n    ")


WRONG += [
    (name, idea, indented(body), message)
    for name, ideas in zoo.WRONG.items()
    for idea, body, message in ideas
]
RIGHT += [(name, idea, indented(body)) for name, ideas in zoo.RIGHT.items() for idea, body in ideas]


@pytest.fixture
def verdicts(tmp_path, monkeypatch, checkout):
    """Judge an answer as `judge` does, but in this process: a hundred answers need not import torch each."""

    def run(name: str, body: str) -> list[dict]:
        entry = find_exercise(name)
        monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(copy_released(entry.lecture, tmp_path)))
        setup, tests = read_tests(
            checkout / "notebooks" / entry.notebook / f"{entry.notebook}.ipynb", name
        )
        source = f"import math\nimport torch\n\n\ndef {name}({SIGNATURE[name]}):\n    {body}\n"
        report = tmp_path / "report"
        run_task(Task(name, "answer.py", source, setup, tests), report)
        lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
        assert lines[-1] == {"end": True}
        return lines[:-1]

    return run


def test_every_exercise_has_five_wrong_and_two_right_answers():
    for name in exercises():
        assert len([w for w in WRONG if w[0] == name]) >= 5 - (name in ("layer_map",)), name
        assert len([r for r in RIGHT if r[0] == name]) >= 2 - (name in ("layer_map",)), name


@pytest.mark.parametrize("name", list(exercises()))
def test_a_blank_answer_earns_nothing_and_gets_a_friendly_message(verdicts, name):
    got = verdicts(name, "raise NotImplementedError")
    assert any("has no answer yet" in v["message"] for v in got), got


def test_the_syllabus_lists_exactly_the_exercises_of_the_library():
    assert {name: e.lecture for name, e in exercises().items()} == {
        name: i.lecture for name, i in exercises().items()
    }


@pytest.mark.parametrize(
    ("name", "idea", "body", "message"), WRONG, ids=[f"{w[0]}-{w[1]}" for w in WRONG]
)
def test_a_wrong_idea_fails_with_a_message_that_names_it(verdicts, name, idea, body, message):
    failed = [v["message"] for v in verdicts(name, body) if not v["passed"]]
    assert failed, f"{idea} passes every test of {name}"
    assert any(re.search(message, text) for text in failed), failed


@pytest.mark.parametrize(("name", "idea", "body"), RIGHT, ids=[f"{r[0]}-{r[1]}" for r in RIGHT])
def test_a_right_answer_written_differently_passes(verdicts, name, idea, body):
    got = verdicts(name, body)
    assert [v["message"] for v in got if not v["passed"]] == []
    assert {v["part"] for v in got} == {"answer", "visible", "hidden"}


def check(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tinybert_l.cli", "check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os\nos._exit(0)", "ended the Python process"),
        ("raise SystemExit(0)", "SystemExit"),
        ("def layer_map(a): return a", "arguments are"),
        ("def layer_map(:", "SyntaxError"),
        ("x = 1", "defines no function layer_map"),
        ('def layer_map(num_student_layers, num_teacher_layers, strategy="uniform"):\n    raise NotImplementedError',
         "has no answer yet"),
    ],
)  # fmt: skip
def test_check_says_what_is_wrong_and_exits_with_1(tmp_path, source, message):
    (tmp_path / "answer.py").write_text(source)
    done = check("layer_map", str(tmp_path / "answer.py"))
    assert done.returncode == 1 and message in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_check_takes_an_answer_with_or_without_implement_and_ends_endless_loops(tmp_path, checkout):
    path = tmp_path / "answer.py"
    source = (checkout / "solutions" / "lecture_03.py").read_text()
    path.write_text(source)
    assert "all" in check("layer_map", str(path)).stdout
    path.write_text(
        "from tinybert_l import layer_map\n"
        + source.replace("def layer_map", "@layer_map.implement\ndef layer_map")
    )
    done = check("layer_map", str(path))
    assert done.returncode == 0 and "visible and hidden tests" in done.stdout, done.stdout
    path.write_text(f"def layer_map({SIGNATURE['layer_map']}):\n    while True: pass")
    done = check("layer_map", str(path), "--timeout", "15")
    assert done.returncode == 1 and "endless loop" in done.stdout


@pytest.mark.slow
def test_answers_judged_together_get_the_verdicts_they_get_alone(tmp_path, checkout):
    right = (checkout / "solutions" / "lecture_03.py").read_text()
    sources = {
        "slice_heads": f"from tinybert_l import layer_map as _hole\n{right}\n_hole.implement(layer_map)",
        "layer_map": "x = 1",  # the answer above, which also answers this one, must be gone
        "kept_layers": "import os\nos._exit(0)",
        "hidden_loss": right,
    }
    answers = {name: tmp_path / f"{name}.py" for name in sources}
    for name, path in answers.items():
        path.write_text(sources[name])
    verdicts = judge_notebook(
        checkout / "notebooks" / "03-architecture" / "03-architecture.ipynb", answers
    )
    failed = {name: [v.message for v in found if not v.passed] for name, found in verdicts.items()}
    assert list(failed) == list(sources)
    assert failed["slice_heads"] == failed["hidden_loss"] == []
    assert len(verdicts["slice_heads"]) > 5 and len(verdicts["hidden_loss"]) > 5
    assert (
        len(failed["layer_map"]) == 1 and "defines no function layer_map" in failed["layer_map"][0]
    )
    assert (
        len(failed["kept_layers"]) == 1 and "ended the Python process" in failed["kept_layers"][0]
    )


def test_check_names_the_exercises_there_are(tmp_path):
    (tmp_path / "a.py").write_text("")
    done = check("layermap", str(tmp_path / "a.py"))
    assert done.returncode == 1 and "there are:" in done.stderr and "Traceback" not in done.stderr
