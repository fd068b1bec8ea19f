"""Reference answers of lecture 8."""


def macro_f1(predictions, labels, num_classes):
    predictions, labels = [int(p) for p in predictions], [int(label) for label in labels]
    if len(predictions) != len(labels) or not labels or num_classes < 1:
        raise ValueError(
            f"macro_f1: {len(predictions)} predictions, {len(labels)} labels, "
            f"num_classes={num_classes}; "
            "allowed: equally many, at least one, and at least one class."
        )
    if not all(0 <= c < num_classes for c in predictions + labels):
        raise ValueError(f"macro_f1: a class is out of range; allowed: 0 to {num_classes - 1}.")
    scores = []
    for c in range(num_classes):
        hits = sum(p == c and label == c for p, label in zip(predictions, labels))
        mentioned = predictions.count(c) + labels.count(c)  # = 2·tp + fp + fn
        scores.append(2 * hits / mentioned if mentioned else 0.0)
    return sum(scores) / num_classes


def choose_submodel(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("choose_submodel: candidates is empty; allowed: at least one.")
    fitting = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fitting:
        fastest = min(candidates, key=lambda c: c["latency_ms"])
        raise ValueError(
            f"choose_submodel: no candidate meets latency_budget_ms={latency_budget_ms}; "
            f"the fastest, {fastest['name']}, takes {fastest['latency_ms']} ms. Raise the budget."
        )
    return max(fitting, key=lambda c: (c["quality"], -c["latency_ms"]))["name"]
