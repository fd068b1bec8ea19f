"""A kept zoo of answers: for each exercise wrong ideas, each with a part of the message it must meet, and right ones.

Bodies are indented by four spaces when they are put into a function; `torch` and `math` are imported.
"""

# fmt: off
SIGNATURE = {
    "parameter_count": "config, pooler=True",
    "soft_cross_entropy": "student_logits, teacher_logits, temperature=1.0",
    "joint_loss": "losses, weights=None",
    "sandwich_sample": "submodels, num_random, generator",
    "submodel_schedule": "step, total_steps, stages",
    "linear_warmup_decay": "step, warmup_steps, total_steps",
    "clip_by_global_norm": "gradients, max_norm",
    "weight_decay_by_name": "shapes, weight_decay",
    "split_document": "token_ids, max_length, stride",
    "best_answer_span": "start_logits, end_logits, max_answer_length",
    "pareto_frontier": "points",
    "head_importance": "activations, gradients",
    "early_exit": "logits_per_layer, max_entropy",
    "macro_f1": "predictions, labels, num_classes",
    "choose_submodel": "candidates, latency_budget_ms",
    "causal_mask": "query_length, key_length",
    "top_p_filter": "logits, p",
    "distinct_n": "token_ids, n",
    "flops": "config, sequence_length",
}
COUNT = """
c, H, I = config, config.hidden_size, config.intermediate_size
emb = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * H + {norm}
layer = 4 * (H * H + {qb}) + 2 * H * I + {fb} + {ln}
return emb + c.num_hidden_layers * layer + {pool}
"""
GOOD = {"norm": "2 * H", "qb": "H", "fb": "I + H", "ln": "4 * H", "pool": "(H * H + H if pooler else 0)"}
SOFT = "p = torch.softmax(teacher_logits.detach() / {t}, -1)\nq = torch.log_softmax(student_logits / {s}, -1)\nreturn {r}"
JOINT = """
if weights is None:
    weights = [1.0] * len(losses)
if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
    raise ValueError("weights")
return {value}
"""
SANDWICH = """
if len(submodels) == 1:
    return list(submodels)
others = submodels[1:-1]
order = torch.randperm(len(others), generator=generator).tolist()[:num_random]
return [submodels[-1], submodels[0]] + [others[i] for i in order]
"""
SCHEDULE = """
if not 0 <= step < total_steps:
    raise ValueError("step")
starts = [s for s, _ in stages]
if starts[0] != 0 or any(b <= a for a, b in zip(starts, starts[1:])):
    raise ValueError("stages")
out = []
for start, group in stages:
    if {condition}:
        for s in group:
            {add}
return out
"""
ONCE = "if s not in out: out.append(s)"
CHECK_W = "if not 0 <= warmup_steps <= total_steps:\n    raise ValueError('warm-up')\n"
CLIP = """
norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
norm = torch.tensor(sum(norms)).sqrt()
if not torch.isfinite(norm):
    raise ValueError("norm")
factor = {factor}
return [None if g is None else {scaled} for g in gradients], norm
"""
FACTOR = "1.0 if norm == 0 else min(1.0, max_norm / float(norm))"
SPLIT_CHECK = "if not 1 <= stride <= max_length:\n    raise ValueError('stride')\n"
SPAN = """
best, found = {initial}, (0, 0)
for i in range(len(start_logits)):
    for j in range({first}, min(len(end_logits), i + max_answer_length{extra})):
        score = start_logits[i] + end_logits[j]
        if score {compare} best:
            best, found = score, (i, j)
return found
"""
F1 = """
p, y = [int(v) for v in predictions], [int(v) for v in labels]
scores = []
for c in range(num_classes):
    tp = sum(a == c and b == c for a, b in zip(p, y))
    fp = sum(a == c and b != c for a, b in zip(p, y))
    fn = sum(a != c and b == c for a, b in zip(p, y))
    {score}
return {value}
"""
CHOOSE = """
if not candidates:
    raise ValueError("no candidates")
fit = [c for c in candidates if c["latency_ms"] {compare} latency_budget_ms]
if not fit:
    {none}
return {best}
"""
NONE_FITS = "raise ValueError('fastest is ' + min(candidates, key=lambda c: c['latency_ms'])['name'])"
BEST = "sorted(fit, key=lambda c: (-c['quality'], c['latency_ms']))[0]['name']"
TOP_P = """
if not 0 < p <= 1:
    raise ValueError("p")
chances, order = logits.softmax(-1).sort(-1, descending=True)
total = chances.cumsum(-1)
drop = {drop}
out = {out}
return out
"""
EXIT = """
z = torch.stack(list(logits_per_layer)).double()
q = z.log_softmax(-1)
h = -(q.exp() * q).sum(-1)
{rest}
"""

WRONG = {
    "parameter_count": [
        ("no biases", COUNT.format(**{**GOOD, "qb": "0", "fb": "0"}), "biases"),
        ("no embedding norm", COUNT.format(**{**GOOD, "norm": "0"}), "LayerNorm after the embeddings"),
        ("pooler always", COUNT.format(**{**GOOD, "pool": "H * H + H"}), "Without the pooler"),
        ("one norm a layer", COUNT.format(**{**GOOD, "ln": "2 * H"}), "84 parameters"),
        ("ffn biases alike", COUNT.format(**{**GOOD, "fb": "2 * I"}), "84 parameters"),
        ("three projections", COUNT.format(**GOOD).replace("4 * (H", "3 * (H"), "84 parameters"),
        ("fixed token types", COUNT.format(**GOOD).replace("c.type_vocab_size", "2"), "every number of the table"),
        ("inner is 4H", COUNT.format(**GOOD).replace("config.intermediate_size", "4 * config.hidden_size"), "84|every number"),
    ],
    "soft_cross_entropy": [
        ("kl", SOFT.format(t="temperature", s="temperature", r="(p * (p.log() - q)).sum(-1).mean()"), "KL divergence"),
        ("times t²", SOFT.format(t="temperature", s="temperature", r="-(p * q).sum(-1).mean() * temperature ** 2"), "t²"),
        ("student not softened", SOFT.format(t="temperature", s="1", r="-(p * q).sum(-1).mean()"), "both sides"),
        ("teacher not softened", SOFT.format(t="1", s="temperature", r="-(p * q).sum(-1).mean()"), "both sides"),
        ("mean over classes", SOFT.format(t="temperature", s="temperature", r="-(p * q).mean()"), "ln 2|Sum over classes"),
        ("sum over batch", SOFT.format(t="temperature", s="temperature", r="-(p * q).sum()"), "mean over the batch"),
        ("log of softmax", "p = torch.softmax(teacher_logits.detach() / temperature, -1)\nq = torch.softmax(student_logits / temperature, -1).log()\nreturn -(p * q).sum(-1).mean()", "log_softmax|Extreme"),
        ("teacher learns", SOFT.format(t="temperature", s="temperature", r="-(p * q).sum(-1).mean()").replace(".detach()", ""), "teacher must receive no gradient"),
        ("student detached", SOFT.format(t="temperature", s="temperature", r="-(p * q).sum(-1).mean()").replace("student_logits /", "student_logits.detach() /"), "radient|require grad"),
        ("hard labels", "return torch.nn.functional.cross_entropy(student_logits / temperature, teacher_logits.argmax(-1))", "expected|: "),
    ],
    "joint_loss": [
        ("sum", JOINT.format(value="sum(w * l for w, l in zip(weights, losses))"), "6 is the sum"),
        ("by number", JOINT.format(value="sum(w * l for w, l in zip(weights, losses)) / len(losses)"), "sum of the weights"),
        ("ignores weights", JOINT.format(value="sum(losses) / len(losses)"), "3.5"),
        ("detached", JOINT.format(value="torch.tensor(sum(w * float(l) for w, l in zip(weights, losses)) / sum(weights), requires_grad=True)"), "Gradients must reach"),
        ("no check", "weights = [1.0] * len(losses) if weights is None else weights\nreturn sum(w * l for w, l in zip(weights, losses)) / sum(weights)", "should raise ValueError"),
        ("negative allowed", JOINT.format(value="sum(w * l for w, l in zip(weights, losses)) / sum(weights)").replace("min(weights) < 0 or ", ""), "negative"),
        ("largest loss", JOINT.format(value="max(losses)"), "3; got 4"),
        ("in place", JOINT.format(value="sum(weights.pop(0) * l for l in list(losses)) / 4"), "."),
    ],
    "sandwich_sample": [
        ("smallest first", SANDWICH.replace("[submodels[-1], submodels[0]]", "[submodels[0], submodels[-1]]"), "largest, smallest"),
        ("with replacement", SANDWICH.replace("torch.randperm(len(others), generator=generator).tolist()[:num_random]", "torch.randint(max(len(others), 1), (min(num_random, len(others)),), generator=generator).tolist()"), "different"),
        ("global generator", SANDWICH.replace(", generator=generator", ""), "generator"),
        ("python random", SANDWICH.replace("order =", "import random\norder = random.sample(range(len(others)), min(num_random, len(others)))\nunused ="), "generator"),
        ("twice when one", SANDWICH.replace("if len(submodels) == 1:\n    return list(submodels)\n", ""), "largest and smallest at once|trained once"),
        ("draws from all", SANDWICH.replace("others = submodels[1:-1]", "others = submodels"), "."),
        ("first ones", SANDWICH.replace("order = torch.randperm(len(others), generator=generator).tolist()[:num_random]", "order = range(min(num_random, len(others)))"), "differ|uniform|pairs"),
        ("reseeds", SANDWICH.replace("order =", "generator = torch.Generator().manual_seed(0)\norder ="), "uniform|differ"),
        ("changes list", SANDWICH.replace("others = submodels[1:-1]", "submodels.reverse()\nsubmodels.reverse()\nothers = submodels[1:-1]\nsubmodels.append(submodels.pop(1)) if len(submodels) > 3 else None").replace("return [submodels[-1]", "return [submodels[-2]"), "."),
        ("neighbours only", SANDWICH.replace("order = torch.randperm(len(others), generator=generator).tolist()[:num_random]", "start = int(torch.randint(max(len(others), 1), (1,), generator=generator))\norder = [(start + i) % len(others) for i in range(min(num_random, len(others)))]"), "pair"),
    ],
    "submodel_schedule": [
        ("strictly after", SCHEDULE.format(condition="start < step / total_steps or start == 0", add=ONCE), "at its start"),
        ("rounded", SCHEDULE.format(condition="int(start * total_steps) <= step", add=ONCE), "do not round"),
        ("last never opens", SCHEDULE.format(condition="start <= step / total_steps and (start, group) != stages[-1]", add=ONCE), "."),
        ("closes", "import bisect\nif not 0 <= step < total_steps:\n    raise ValueError('step')\ni = bisect.bisect_right([s for s, _ in stages], step / total_steps) - 1\nreturn list(stages[i][1])", "closes|open"),
        ("twice", SCHEDULE.format(condition="start <= step / total_steps", add="out.append(s)"), "once"),
        ("no check", SCHEDULE.format(condition="start <= step / total_steps", add=ONCE).replace("if not 0 <= step < total_steps:\n    raise ValueError(\"step\")\n", ""), "should raise ValueError"),
        ("of the last step", SCHEDULE.format(condition="total_steps == 1 or start <= step / (total_steps - 1)", add=ONCE), "."),
        ("sorted", SCHEDULE.format(condition="start <= step / total_steps", add=ONCE).replace("return out", "return sorted(out, key=str)"), "order"),
    ],
    "linear_warmup_decay": [
        ("no decay", CHECK_W + "return min(1.0, step / warmup_steps) if warmup_steps else 1.0", "expected"),
        ("decay by total", CHECK_W + "if step < warmup_steps:\n    return step / warmup_steps\nreturn max(0.0, (total_steps - step) / total_steps)", "expected"),
        ("division by zero", CHECK_W + "if step <= warmup_steps:\n    return step / warmup_steps\nreturn max(0.0, (total_steps - step) / (total_steps - warmup_steps))", "ZeroDivision|0/0"),
        ("negative after end", CHECK_W + "if step < warmup_steps:\n    return step / warmup_steps\nreturn (total_steps - step) / max(1, total_steps - warmup_steps)", "never negative"),
        ("from one", CHECK_W + "step = step + 1\nif step < warmup_steps:\n    return step / warmup_steps\nreturn max(0.0, (total_steps - step) / max(1, total_steps - warmup_steps))", "expected"),
        ("no check", "if step < warmup_steps:\n    return step / warmup_steps\nreturn max(0.0, (total_steps - step) / max(1, total_steps - warmup_steps))", "ValueError"),
        ("cosine", CHECK_W + "if step < warmup_steps:\n    return step / warmup_steps\nif step >= total_steps:\n    return 0.0\nreturn 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps)))", "expected"),
    ],
    "clip_by_global_norm": [
        ("each by itself", CLIP.format(factor=FACTOR, scaled="g * min(1.0, max_norm / max(float(g.norm()), 1e-12))"), "by itself"),
        ("in place", CLIP.format(factor=FACTOR, scaled="g.mul_(factor)"), "input was changed"),
        ("scales up", CLIP.format(factor="max_norm / max(float(norm), 1e-12)", scaled="g * factor"), "scaled up|times"),
        ("drops none", CLIP.format(factor=FACTOR, scaled="g * factor").replace("[None if g is None else g * factor for g in gradients]", "[g * factor for g in gradients if g is not None]"), "None"),
        ("nan at zero", CLIP.format(factor="torch.clamp(max_norm / norm, max=1.0) * (norm / norm)", scaled="g * factor"), "Norm 0"),
        ("no check", CLIP.format(factor=FACTOR, scaled="g * factor").replace("if not torch.isfinite(norm):\n    raise ValueError(\"norm\")\n", ""), "ValueError"),
        ("norm after", CLIP.format(factor=FACTOR, scaled="g * factor").replace("], norm", "], norm * factor"), "norm"),
        ("sum of norms", CLIP.format(factor=FACTOR, scaled="g * factor").replace("torch.tensor(sum(norms)).sqrt()", "torch.tensor(sum(n ** 0.5 for n in norms))"), "One norm"),
        ("largest entry", CLIP.format(factor=FACTOR, scaled="g * factor").replace("torch.tensor(sum(norms)).sqrt()", "torch.stack([g.abs().max() for g in gradients if g is not None]).max()"), "norm"),
        ("float norm", CLIP.format(factor=FACTOR, scaled="g * factor").replace("], norm", "], float(norm)"), "0-dim"),
    ],
    "weight_decay_by_name": [
        ("by name", "return {n: 0.0 if 'bias' in n or 'LayerNorm' in n else weight_decay for n in shapes}", "shape decides|shape"),
        ("bias only", "return {n: 0.0 if n.endswith('bias') else weight_decay for n in shapes}", "one-dimensional"),
        ("inverted", "return {n: weight_decay if len(s) == 1 else 0.0 for n, s in shapes.items()}", "Matrices decay"),
        ("matrices only", "return {n: weight_decay if len(s) == 2 else 0.0 for n, s in shapes.items()}", "shape decides"),
        ("all", "return {n: weight_decay for n in shapes}", "Biases do not"),
        ("no check", "return {n: 0.0 if len(s) == 1 else weight_decay for n, s in shapes.items()}", "negative"),
        ("leaves out", "return {n: weight_decay for n, s in shapes.items() if len(s) > 1}", "Biases"),
    ],
    "split_document": [
        ("one too many", SPLIT_CHECK + "return [token_ids[i:i + max_length] for i in range(0, len(token_ids), stride)]", "one window too many"),
        ("drops the tail", SPLIT_CHECK + "return [token_ids[i:i + max_length] for i in range(0, len(token_ids) - max_length + 1, stride)]", "short document|no window|reach the end"),
        ("ignores stride", SPLIT_CHECK + "return [token_ids[i:i + max_length] for i in range(0, len(token_ids), max_length)]", "worked example"),
        ("stride is overlap", SPLIT_CHECK + "out, i = [], 0\nwhile i < len(token_ids):\n    out.append(token_ids[i:i + max_length])\n    if i + max_length >= len(token_ids):\n        break\n    i += max(1, max_length - stride)\nreturn out", "worked example"),
        ("empty window", SPLIT_CHECK + "out, i = [], 0\nwhile True:\n    out.append(token_ids[i:i + max_length])\n    if i + max_length >= len(token_ids):\n        return out\n    i += stride", "empty document"),
        ("shifted last", SPLIT_CHECK + "out, i = [], 0\nwhile i < len(token_ids):\n    if i + max_length >= len(token_ids):\n        out.append(token_ids[-max_length:])\n        break\n    out.append(token_ids[i:i + max_length])\n    i += stride\nreturn out", "starts at"),
        ("no check", "out, i = [], 0\nwhile i < len(token_ids) and stride > 0:\n    out.append(token_ids[i:i + max_length])\n    if i + max_length >= len(token_ids):\n        break\n    i += stride\nreturn out", "should raise ValueError"),
    ],
    "best_answer_span": [
        ("separately", "return int(start_logits.argmax()), int(end_logits.argmax())", "before the start"),
        ("exclusive length", SPAN.format(initial="-math.inf", first="i", extra=" - 1", compare=">"), "at most|four|All|."),
        ("one too long", SPAN.format(initial="-math.inf", first="i", extra=" + 1", compare=">"), "At most 3"),
        ("from zero", SPAN.format(initial="0.0", first="i", extra="", compare=">"), "negative"),
        ("last tie", SPAN.format(initial="-math.inf", first="i", extra="", compare=">="), "All equal"),
        ("no single", SPAN.format(initial="-math.inf", first="i + 1", extra="", compare=">"), "worked example"),
        ("end exclusive", SPAN.format(initial="-math.inf", first="i", extra="", compare=">").replace("return found", "return found[0], found[1] + 1"), "worked example"),
        ("start first", "s = int(start_logits.argmax())\ne = s + int(end_logits[s:s + max_answer_length].argmax())\nreturn s, e", "worked example"),
        ("product", SPAN.format(initial="-math.inf", first="i", extra="", compare=">").replace("start_logits[i] + end_logits[j]", "start_logits[i] * end_logits[j]"), "."),
    ],
    "pareto_frontier": [
        ("points not indices", "best, out = -math.inf, []\nfor c, q in sorted(points, key=lambda t: (t[0], -t[1])):\n    if q > best:\n        best = q\n        out.append((c, q))\nreturn out", "indices"),
        ("unsorted", "return [i for i, (c, q) in enumerate(points) if not any((a <= c and b >= q and (a < c or b > q)) or ((a, b) == (c, q) and j < i) for j, (a, b) in enumerate(points))]", "rising cost"),
        ("keeps doubles", "return sorted((i for i, (c, q) in enumerate(points) if not any(a <= c and b >= q and (a < c or b > q) for a, b in points)), key=lambda i: points[i][0])", "first stays"),
        ("drops doubles", "return sorted((i for i, (c, q) in enumerate(points) if not any(a <= c and b >= q and j != i for j, (a, b) in enumerate(points))), key=lambda i: points[i][0])", "worked example"),
        ("ties in cost", "best, out = -math.inf, []\nfor i in sorted(range(len(points)), key=lambda i: points[i][0]):\n    if points[i][1] > best:\n        best = points[i][1]\n        out.append(i)\nreturn out", "same cost"),
        ("low quality", "best, out = math.inf, []\nfor i in sorted(range(len(points)), key=lambda i: points[i][0]):\n    if points[i][1] < best:\n        best = points[i][1]\n        out.append(i)\nreturn out", "."),
        ("from zero", "best, out = 0, []\nfor i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):\n    if points[i][1] > best:\n        best = points[i][1]\n        out.append(i)\nreturn out", "negative|expected"),
        ("not strict", "best, out = -math.inf, []\nfor i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):\n    if points[i][1] >= best:\n        best = points[i][1]\n        out.append(i)\nreturn out", "."),
    ],
    "head_importance": [
        ("mean first", "return (activations * gradients).sum((2, 3)).mean(0).abs()", "signs cancelled"),
        ("sum over examples", "return (activations * gradients).sum((2, 3)).abs().sum(0)", "take the mean"),
        ("absolute first", "return (activations * gradients).abs().sum((2, 3)).mean(0)", "inner product comes before"),
        ("mean over tokens", "return (activations * gradients).sum(3).mean(2).abs().mean(0)", "sum over tokens"),
        ("tokens apart", "return (activations * gradients).sum(3).abs().sum(2).mean(0)", "."),
        ("norms", "return (activations.norm(dim=(2, 3)) * gradients.norm(dim=(2, 3))).mean(0)", "inner product"),
        ("wrong axis", "return (activations * gradients).sum((1, 3)).abs().mean(0)", "shape|Which axis"),
        ("in place", "return activations.mul_(gradients).sum((2, 3)).abs().mean(0)", "changed"),
        ("gradient only", "return gradients.sum((2, 3)).abs().mean(0)", "."),
    ],
    "early_exit": [
        ("from zero", EXIT.format(rest="ok = h <= max_entropy\nok[-1] = True\nreturn ok.int().argmax(0)"), "count from 1"),
        ("strictly below, bits", EXIT.format(rest="ok = h / math.log(2) <= max_entropy\nok[-1] = True\nreturn ok.int().argmax(0) + 1"), "Natural|nats"),
        ("normalised", EXIT.format(rest="ok = h / math.log(z.shape[-1]) <= max_entropy\nok[-1] = True\nreturn ok.int().argmax(0) + 1"), "nats|Natural"),
        ("nan", "z = torch.stack(list(logits_per_layer))\np = z.softmax(-1)\nh = -(p * p.log()).sum(-1)\nok = h <= max_entropy\nok[-1] = True\nreturn ok.int().argmax(0) + 1", "NaN"),
        ("never sure", EXIT.format(rest="return (h <= max_entropy).int().argmax(0) + 1"), "never|last"),
        ("most sure layer", EXIT.format(rest="return h.argmin(0) + 1"), "."),
        ("last sure", EXIT.format(rest="ok = h <= max_entropy\nL = len(z)\nlast = L - ok.flip(0).int().argmax(0)\nreturn torch.where(ok.any(0), last, L)"), "first"),
        ("batch mean", EXIT.format(rest="ok = (h.mean(1, keepdim=True) <= max_entropy).expand_as(h).clone()\nok[-1] = True\nreturn ok.int().argmax(0) + 1"), "."),
        ("floats", EXIT.format(rest="ok = h <= max_entropy\nok[-1] = True\nreturn (ok.int().argmax(0) + 1).float()"), "Integers"),
    ],
    "macro_f1": [
        ("accuracy", "return sum(int(a) == int(b) for a, b in zip(predictions, labels)) / len(labels)", "accuracy"),
        ("skips absent", F1.format(score="scores.append(2 * tp / (2 * tp + fp + fn)) if tp + fp + fn else None", value="sum(scores) / len(scores)"), "third class"),
        ("absent is one", F1.format(score="scores.append(2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0)", value="sum(scores) / num_classes"), "third class"),
        ("weighted", F1.format(score="scores.append(y.count(c) * (2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0))", value="sum(scores) / len(y)"), "."),
        ("division by zero", F1.format(score="scores.append(2 * tp / (2 * tp + fp + fn))", value="sum(scores) / num_classes"), "ZeroDivision"),
        ("recall", F1.format(score="scores.append(tp / (tp + fn) if tp + fn else 0.0)", value="sum(scores) / num_classes"), "."),
        ("positive class only", F1.format(score="scores.append(2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0)", value="scores[-1]"), "."),
        ("of means", F1.format(score="scores.append((tp / (tp + fp) if tp + fp else 0.0, tp / (tp + fn) if tp + fn else 0.0))", value="(lambda P, R: 2 * P * R / (P + R) if P + R else 0.0)(sum(a for a, _ in scores) / num_classes, sum(b for _, b in scores) / num_classes)"), "."),
    ],
    "choose_submodel": [
        ("strict", CHOOSE.format(compare="<", none=NONE_FITS, best=BEST), "fits exactly"),
        ("fastest", CHOOSE.format(compare="<=", none=NONE_FITS, best="min(fit, key=lambda c: c['latency_ms'])['name']"), "."),
        ("best of all", CHOOSE.format(compare="<=", none=NONE_FITS, best="max(candidates, key=lambda c: c['quality'])['name']"), "only a fits"),
        ("over budget", CHOOSE.format(compare="<=", none="return min(candidates, key=lambda c: c['latency_ms'])['name']", best=BEST), "over budget"),
        ("nameless", CHOOSE.format(compare="<=", none="raise ValueError('too slow')", best=BEST), "name the fastest"),
        ("tie ignored", CHOOSE.format(compare="<=", none=NONE_FITS, best="max(fit, key=lambda c: c['quality'])['name']"), "lowest latency"),
        ("slowest tie", CHOOSE.format(compare="<=", none=NONE_FITS, best="max(fit, key=lambda c: (c['quality'], c['latency_ms']))['name']"), "lowest latency"),
        ("returns dict", CHOOSE.format(compare="<=", none=NONE_FITS, best="sorted(fit, key=lambda c: (-c['quality'], c['latency_ms']))[0]"), "."),
        ("empty index", CHOOSE.format(compare="<=", none=NONE_FITS, best=BEST).replace("if not candidates:\n    raise ValueError(\"no candidates\")\n", "if not candidates:\n    return ''\n"), "No candidates"),
        ("sorts in place", CHOOSE.format(compare="<=", none=NONE_FITS, best=BEST).replace("fit =", "candidates.sort(key=lambda c: c['latency_ms'])\nfit ="), "changed"),
    ],
    "causal_mask": [
        ("top left", "if query_length > key_length:\n    raise ValueError('q')\nreturn torch.ones(query_length, key_length).tril().bool()", "LAST q"),
        ("forbidden", "if query_length > key_length:\n    raise ValueError('q')\nreturn ~torch.ones(query_length, key_length).tril(key_length - query_length).bool()", "allowed, not forbidden"),
        ("not itself", "if query_length > key_length:\n    raise ValueError('q')\nreturn torch.ones(query_length, key_length).tril(key_length - query_length - 1).bool()", "worked example|diagonal"),
        ("peeks", "if query_length > key_length:\n    raise ValueError('q')\nreturn torch.ones(query_length, key_length).tril(key_length - query_length + 1).bool()", "."),
        ("floats", "if query_length > key_length:\n    raise ValueError('q')\nreturn torch.ones(query_length, key_length).tril(key_length - query_length)", "True and False"),
        ("transposed", "if query_length > key_length:\n    raise ValueError('q')\nreturn torch.ones(key_length, query_length).tril().bool()", "."),
        ("no check", "return torch.ones(query_length, key_length).tril(key_length - query_length).bool()", "should raise ValueError"),
    ],
    "top_p_filter": [
        ("crossing dropped", TOP_P.format(drop="total > p", out="logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)").replace("drop = total > p", "drop = total > p\ndrop[..., 0] = False"), "crosses p stays"),
        ("nothing stays", TOP_P.format(drop="total > p", out="logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)"), "."),
        ("not put back", TOP_P.format(drop="total - chances >= p", out="logits.masked_fill(drop, -math.inf)"), "."),
        ("zeros", TOP_P.format(drop="total - chances >= p", out="logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), 0.0)"), "."),
        ("in place", TOP_P.format(drop="total - chances >= p", out="logits.masked_fill_(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)"), "."),
        ("first row", TOP_P.format(drop="(total - chances >= p)", out="logits.masked_fill(torch.zeros_like(drop).scatter(-1, order[:1].expand_as(order), drop[:1].expand_as(drop)), -math.inf)"), "Each row"),
        ("threshold", "if not 0 < p <= 1:\n    raise ValueError('p')\nq = logits.softmax(-1)\nreturn logits.masked_fill(q < 1 - p, -math.inf)", "."),
        ("returns probabilities", TOP_P.format(drop="total - chances >= p", out="logits.softmax(-1).masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)"), "unchanged"),
        ("no check", TOP_P.format(drop="total - chances >= p", out="logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)").replace("if not 0 < p <= 1:\n    raise ValueError(\"p\")\n", ""), "should raise ValueError"),
        ("one more", TOP_P.format(drop="torch.nn.functional.pad(total - chances, (1, 0))[..., :-1] >= p", out="logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)"), "."),
    ],
    "distinct_n": [
        ("by tokens", "g = [tuple(token_ids[i:i + n]) for i in range(len(token_ids) - n + 1)]\nreturn len(set(g)) / len(token_ids) if g else 0.0", "not of tokens"),
        ("count", "g = [tuple(token_ids[i:i + n]) for i in range(len(token_ids) - n + 1)]\nreturn float(len(set(g)))", "2/3"),
        ("blocks", "g = [tuple(token_ids[i:i + n]) for i in range(0, len(token_ids) - n + 1, n)]\nreturn len(set(g)) / len(g) if g else 0.0", "2/3"),
        ("bags", "g = [tuple(sorted(token_ids[i:i + n])) for i in range(len(token_ids) - n + 1)]\nreturn len(set(g)) / len(g) if g else 0.0", "2/3"),
        ("short divides", "g = [tuple(token_ids[i:i + n]) for i in range(len(token_ids) - n + 1)]\nreturn len(set(g)) / len(g)", "ZeroDivision"),
        ("short is one", "g = [tuple(token_ids[i:i + n]) for i in range(len(token_ids) - n + 1)]\nreturn len(set(g)) / len(g) if g else 1.0", "shorter than n"),
        ("tail too", "g = [tuple(token_ids[i:i + n]) for i in range(len(token_ids))]\nreturn len(set(g)) / len(g) if len(token_ids) >= n else 0.0", "."),
    ],
    "flops": [
        ("multiply-adds", "c, s = config, sequence_length\nH, I = c.hidden_size, c.intermediate_size\nreturn c.num_hidden_layers * (s * (4 * H * H + 2 * H * I) + 2 * s * s * H)", "two operations"),
        ("one attention product", "c, s = config, sequence_length\nH, I = c.hidden_size, c.intermediate_size\nreturn 2 * c.num_hidden_layers * (s * (4 * H * H + 2 * H * I) + s * s * H)", "two products"),
        ("linear attention", "c, s = config, sequence_length\nH, I = c.hidden_size, c.intermediate_size\nreturn 2 * c.num_hidden_layers * (s * (4 * H * H + 2 * H * I) + 2 * s * H)", "264|square"),
        ("three projections", "c, s = config, sequence_length\nH, I = c.hidden_size, c.intermediate_size\nreturn 2 * c.num_hidden_layers * (s * (3 * H * H + 2 * H * I) + 2 * s * s * H)", "264"),
        ("inner 4H", "c, s = config, sequence_length\nH = c.hidden_size\nreturn 2 * c.num_hidden_layers * (s * 12 * H * H + 2 * s * s * H)", "264|torch counts"),
        ("floats", "c, s = config, sequence_length\nH, I = c.hidden_size, c.intermediate_size\nreturn 2.0 * c.num_hidden_layers * (s * (4 * H * H + 2 * H * I) + 2 * s * s * H)", "whole number"),
        ("adds embeddings", "c, s = config, sequence_length\nH, I = c.hidden_size, c.intermediate_size\nreturn 2 * c.num_hidden_layers * (s * (4 * H * H + 2 * H * I) + 2 * s * s * H) + 2 * s * c.vocab_size * H", "264"),
    ],
}
RIGHT = {
    "parameter_count": [
        ("formula", COUNT.format(**GOOD)),
        ("instantiates", "from transformers import BertModel\nwith torch.device('meta'):\n    return sum(p.numel() for p in BertModel(config, add_pooling_layer=pooler).parameters())"),
    ],
    "soft_cross_entropy": [
        ("torch's", "return torch.nn.functional.cross_entropy(student_logits / temperature, torch.softmax(teacher_logits / temperature, -1).detach())"),
        ("einsum", "q = student_logits / temperature - torch.logsumexp(student_logits / temperature, -1, keepdim=True)\np = torch.softmax(teacher_logits.detach() / temperature, 1)\nreturn -torch.einsum('bc,bc->', p, q) / len(p)"),
        ("kl plus entropy", SOFT.format(t="temperature", s="temperature", r="torch.nn.functional.kl_div(q, p, reduction='batchmean') - torch.special.xlogy(p, p).sum(-1).mean()")),
    ],
    "joint_loss": [
        ("sum", JOINT.format(value="sum(w * l for w, l in zip(weights, losses)) / sum(weights)")),
        ("stack and dot", JOINT.format(value="torch.stack(list(losses)) @ (torch.tensor(weights, dtype=losses[0].dtype) / sum(weights))")),
    ],
    "sandwich_sample": [
        ("randperm", SANDWICH),
        ("multinomial", SANDWICH.replace("torch.randperm(len(others), generator=generator).tolist()[:num_random]", "torch.multinomial(torch.ones(len(others)), min(num_random, len(others)), generator=generator).tolist() if others and num_random else []")),
        ("sort of noise", SANDWICH.replace("torch.randperm(len(others), generator=generator)", "torch.rand(len(others), generator=generator).argsort()")),
    ],
    "submodel_schedule": [
        ("loop", SCHEDULE.format(condition="start <= step / total_steps", add=ONCE)),
        ("bisect", "from bisect import bisect_right\nif step < 0 or step >= total_steps:\n    raise ValueError('step')\nstarts = [s for s, _ in stages]\nif starts[0] != 0 or sorted(set(starts)) != starts:\n    raise ValueError('stages')\nflat = [s for _, g in stages[:bisect_right(starts, step / total_steps)] for s in g]\nreturn [s for i, s in enumerate(flat) if s not in flat[:i]]"),
    ],
    "linear_warmup_decay": [
        ("cases", CHECK_W + "if step >= total_steps:\n    return 0.0\nreturn step / warmup_steps if step < warmup_steps else (total_steps - step) / (total_steps - warmup_steps)"),
        ("min and max", CHECK_W + "rise = step / warmup_steps if warmup_steps else 1.0\nfall = (total_steps - step) / max(1, total_steps - warmup_steps)\nreturn float(rise if step < warmup_steps else max(0.0, fall))"),
    ],
    "clip_by_global_norm": [
        ("loop", CLIP.format(factor=FACTOR, scaled="g * factor")),
        ("torch's epsilon", CLIP.format(factor="min(1.0, max_norm / (float(norm) + 1e-6))", scaled="g.mul(factor)")),
        ("get_total_norm", "present = [g for g in gradients if g is not None]\nnorm = torch.nn.utils.get_total_norm(present)\nif torch.isnan(norm) or torch.isinf(norm):\n    raise ValueError('norm')\nscale = torch.clamp(max_norm / torch.clamp(norm, min=1e-12), max=1.0)\nreturn [g if g is None else (g * scale).to(g.dtype) for g in gradients], norm"),
    ],
    "weight_decay_by_name": [
        ("loop", "if weight_decay < 0:\n    raise ValueError('weight_decay')\nout = {}\nfor name in shapes:\n    out[name] = weight_decay if len(tuple(shapes[name])) != 1 else 0.0\nreturn out"),
        ("dict of pairs", "if weight_decay < 0:\n    raise ValueError('weight_decay')\nreturn dict((k, weight_decay * (len(v) > 1)) for k, v in shapes.items())"),
    ],
    "split_document": [
        ("while", SPLIT_CHECK + "out, i = [], 0\nwhile i < len(token_ids):\n    out.append(token_ids[i:i + max_length])\n    if i + max_length >= len(token_ids):\n        break\n    i += stride\nreturn out"),
        ("count first", SPLIT_CHECK + "n = len(token_ids)\ncount = 0 if n == 0 else 1 + max(0, math.ceil((n - max_length) / stride))\nreturn [list(token_ids[j * stride:j * stride + max_length]) for j in range(count)]"),
    ],
    "best_answer_span": [
        ("loops", SPAN.format(initial="-math.inf", first="i", extra="", compare=">")),
        ("matrix", "n = len(start_logits)\nscores = start_logits[:, None] + end_logits[None, :]\ni, j = torch.arange(n)[:, None], torch.arange(n)[None]\nscores = scores.masked_fill((j < i) | (j >= i + max_answer_length), -math.inf)\nflat = int((scores.flatten() == scores.max()).nonzero()[0])\nreturn divmod(flat, n)"),
    ],
    "pareto_frontier": [
        ("sweep", "best, out = -math.inf, []\nfor i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1], i)):\n    if points[i][1] > best:\n        best = points[i][1]\n        out.append(i)\nreturn out"),
        ("all pairs", "def beats(a, b):\n    return a[0] <= b[0] and a[1] >= b[1] and a != b\nkeep = [i for i, p in enumerate(points) if not any(beats(tuple(q), tuple(p)) for q in points) and list(points).index(p) == i]\nreturn sorted(keep, key=lambda i: points[i][0])"),
    ],
    "head_importance": [
        ("einsum", "return torch.einsum('bhsd,bhsd->bh', activations, gradients).abs().mean(0)"),
        ("loops", "b, h = activations.shape[:2]\nout = torch.zeros(h)\nfor i in range(b):\n    for j in range(h):\n        out[j] += float(torch.dot(activations[i, j].flatten().double(), gradients[i, j].flatten().double()).abs()) / b\nreturn out"),
    ],
    "early_exit": [
        ("stack", EXIT.format(rest="ok = h <= max_entropy\nok[-1] = True\nreturn ok.int().argmax(0) + 1")),
        ("loop", "out = []\nfor i in range(len(logits_per_layer[0])):\n    for m, z in enumerate(logits_per_layer, 1):\n        if float(torch.distributions.Categorical(logits=z[i]).entropy()) <= max_entropy:\n            break\n    out.append(m)\nreturn torch.tensor(out)"),
        ("backwards", "L = len(logits_per_layer)\nout = torch.full((len(logits_per_layer[0]),), L)\nfor m in range(L, 0, -1):\n    z = logits_per_layer[m - 1]\n    p = z.softmax(-1)\n    h = -torch.special.xlogy(p, p).sum(-1)\n    out = torch.where(h <= max_entropy, m, out)\nreturn out"),
    ],
    "macro_f1": [
        ("loop", F1.format(score="scores.append(2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0)", value="sum(scores) / num_classes")),
        ("scikit-learn", "from sklearn.metrics import f1_score\nreturn f1_score([int(v) for v in labels], [int(v) for v in predictions], labels=range(num_classes), average='macro', zero_division=0)"),
        ("confusion matrix", "p, y = torch.as_tensor(predictions), torch.as_tensor(labels)\nm = torch.zeros(num_classes, num_classes)\nfor a, b in zip(p.tolist(), y.tolist()):\n    m[b, a] += 1\nreturn float((2 * m.diag() / (m.sum(0) + m.sum(1)).clamp(min=1)).mean())"),
    ],
    "choose_submodel": [
        ("sorted", CHOOSE.format(compare="<=", none=NONE_FITS, best=BEST)),
        ("loop", "if len(candidates) == 0:\n    raise ValueError('no candidates')\nbest = None\nfor c in candidates:\n    if c['latency_ms'] > latency_budget_ms:\n        continue\n    if best is None or c['quality'] > best['quality'] or (c['quality'] == best['quality'] and c['latency_ms'] < best['latency_ms']):\n        best = c\nif best is None:\n    raise ValueError(f\"fastest: {min(candidates, key=lambda c: c['latency_ms'])['name']}\")\nreturn best['name']"),
    ],
    "causal_mask": [
        ("tril", "if not 1 <= query_length <= key_length:\n    raise ValueError('q')\nreturn torch.ones(query_length, key_length, dtype=torch.bool).tril(key_length - query_length)"),
        ("loops", "if query_length > key_length:\n    raise ValueError('q')\nreturn torch.tensor([[j <= key_length - query_length + i for j in range(key_length)] for i in range(query_length)])"),
    ],
    "top_p_filter": [
        ("scatter", TOP_P.format(drop="(total - chances >= p) & (p < 1)", out="logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)")),
        ("loop", "if p <= 0 or p > 1:\n    raise ValueError('p')\nout = torch.full_like(logits, -math.inf)\nfor row in range(len(logits)):\n    q = logits[row].double().softmax(-1)\n    total = 0.0\n    for token in q.argsort(descending=True).tolist():\n        if total >= p and p < 1:\n            break\n        out[row, token] = logits[row, token]\n        total += float(q[token])\nreturn out"),
    ],
    "distinct_n": [
        ("slices", "g = [tuple(token_ids[i:i + n]) for i in range(len(token_ids) - n + 1)]\nreturn len(set(g)) / len(g) if g else 0.0"),
        ("zip", "g = list(zip(*(token_ids[i:] for i in range(n))))\nreturn len(set(g)) / max(1, len(g))"),
    ],
    "flops": [
        ("formula", "c, s = config, sequence_length\nreturn sum(2 * (4 * s * c.hidden_size ** 2 + 2 * s * c.hidden_size * c.intermediate_size + 2 * s * s * c.hidden_size) for _ in range(c.num_hidden_layers))"),
        ("products one by one", "s, H, I = sequence_length, config.hidden_size, config.intermediate_size\nproducts = [(s, H, H)] * 4 + [(s, H, I), (s, I, H), (s, H, s), (s, s, H)]\nreturn 2 * config.num_hidden_layers * sum(m * k * n for m, k, n in products)"),
    ],
}
