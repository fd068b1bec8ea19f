"""Wrong and right answers to exercise 8.1, `macro_f1`."""

import torch

from zoo import right, wrong


@wrong("accuracy", message="accuracy")
def accuracy(predictions, labels, num_classes):
    return sum(int(a) == int(b) for a, b in zip(predictions, labels)) / len(labels)


@wrong("skips absent", message="third class")
def skips_absent(predictions, labels, num_classes):
    p, y = [int(v) for v in predictions], [int(v) for v in labels]
    scores = []
    for c in range(num_classes):
        tp = sum(a == c and b == c for a, b in zip(p, y))
        fp = sum(a == c and b != c for a, b in zip(p, y))
        fn = sum(a != c and b == c for a, b in zip(p, y))
        scores.append(2 * tp / (2 * tp + fp + fn)) if tp + fp + fn else None
    return sum(scores) / len(scores)


@wrong("absent is one", message="third class")
def absent_is_one(predictions, labels, num_classes):
    p, y = [int(v) for v in predictions], [int(v) for v in labels]
    scores = []
    for c in range(num_classes):
        tp = sum(a == c and b == c for a, b in zip(p, y))
        fp = sum(a == c and b != c for a, b in zip(p, y))
        fn = sum(a != c and b == c for a, b in zip(p, y))
        scores.append(2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0)
    return sum(scores) / num_classes


@wrong("weighted", message=".")
def weighted(predictions, labels, num_classes):
    p, y = [int(v) for v in predictions], [int(v) for v in labels]
    scores = []
    for c in range(num_classes):
        tp = sum(a == c and b == c for a, b in zip(p, y))
        fp = sum(a == c and b != c for a, b in zip(p, y))
        fn = sum(a != c and b == c for a, b in zip(p, y))
        scores.append(y.count(c) * (2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0))
    return sum(scores) / len(y)


@wrong("division by zero", message="ZeroDivision")
def division_by_zero(predictions, labels, num_classes):
    p, y = [int(v) for v in predictions], [int(v) for v in labels]
    scores = []
    for c in range(num_classes):
        tp = sum(a == c and b == c for a, b in zip(p, y))
        fp = sum(a == c and b != c for a, b in zip(p, y))
        fn = sum(a != c and b == c for a, b in zip(p, y))
        scores.append(2 * tp / (2 * tp + fp + fn))
    return sum(scores) / num_classes


@wrong("recall", message=".")
def recall(predictions, labels, num_classes):
    p, y = [int(v) for v in predictions], [int(v) for v in labels]
    scores = []
    for c in range(num_classes):
        tp = sum(a == c and b == c for a, b in zip(p, y))
        fp = sum(a == c and b != c for a, b in zip(p, y))
        fn = sum(a != c and b == c for a, b in zip(p, y))
        scores.append(tp / (tp + fn) if tp + fn else 0.0)
    return sum(scores) / num_classes


@wrong("positive class only", message=".")
def positive_class_only(predictions, labels, num_classes):
    p, y = [int(v) for v in predictions], [int(v) for v in labels]
    scores = []
    for c in range(num_classes):
        tp = sum(a == c and b == c for a, b in zip(p, y))
        fp = sum(a == c and b != c for a, b in zip(p, y))
        fn = sum(a != c and b == c for a, b in zip(p, y))
        scores.append(2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0)
    return scores[-1]


@wrong("of means", message=".")
def of_means(predictions, labels, num_classes):
    p, y = [int(v) for v in predictions], [int(v) for v in labels]
    scores = []
    for c in range(num_classes):
        tp = sum(a == c and b == c for a, b in zip(p, y))
        fp = sum(a == c and b != c for a, b in zip(p, y))
        fn = sum(a != c and b == c for a, b in zip(p, y))
        scores.append((tp / (tp + fp) if tp + fp else 0.0, tp / (tp + fn) if tp + fn else 0.0))
    return (lambda P, R: 2 * P * R / (P + R) if P + R else 0.0)(
        sum(a for a, _ in scores) / num_classes, sum(b for _, b in scores) / num_classes
    )


@wrong("whole division", message="worked example")
def whole_division(predictions, labels, num_classes):
    p, y = [int(v) for v in predictions], [int(v) for v in labels]
    scores = []
    for c in range(num_classes):
        tp = sum(a == c and b == c for a, b in zip(p, y))
        scores.append(2 * tp // max(1, p.count(c) + y.count(c)))
    return sum(scores) / num_classes


@wrong("tensors as keys", message="expected")
def tensors_as_keys(predictions, labels, num_classes):
    scores = []
    for c in range(num_classes):
        p = {i for i, a in enumerate(predictions) if a in {c}}
        y = {i for i, b in enumerate(labels) if b in {c}}
        scores.append(2 * len(p & y) / max(1, len(p) + len(y)))
    return sum(scores) / num_classes


@wrong("a tensor with an axis", message="with an axis")
def tensor_result(predictions, labels, num_classes):
    p, y = torch.as_tensor(predictions), torch.as_tensor(labels)
    total = torch.zeros(1)
    for c in range(num_classes):
        tp = ((p == c) & (y == c)).sum()
        wrong = ((p == c) ^ (y == c)).sum()
        if tp + wrong:
            total += 2 * tp / (2 * tp + wrong)
    return total / num_classes


@wrong("only labelled classes", message="counts too")
def only_labelled_classes(predictions, labels, num_classes):
    p, y = torch.as_tensor(predictions), torch.as_tensor(labels)
    total, counted = 0.0, 0
    for c in range(num_classes):
        tp = int(((p == c) & (y == c)).sum())
        wrong = int(((p == c) ^ (y == c)).sum())
        if tp + wrong:
            total += 2 * tp / (2 * tp + wrong)
        if (y == c).any() or not (p == c).any():
            counted += 1
    return total / counted


@right("loop")
def loop(predictions, labels, num_classes):
    p, y = [int(v) for v in predictions], [int(v) for v in labels]
    scores = []
    for c in range(num_classes):
        tp = sum(a == c and b == c for a, b in zip(p, y))
        fp = sum(a == c and b != c for a, b in zip(p, y))
        fn = sum(a != c and b == c for a, b in zip(p, y))
        scores.append(2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0)
    return sum(scores) / num_classes


@right("scikit-learn")
def scikit_learn(predictions, labels, num_classes):
    from sklearn.metrics import f1_score

    return f1_score(
        [int(v) for v in labels],
        [int(v) for v in predictions],
        labels=range(num_classes),
        average="macro",
        zero_division=0,
    )


@right("confusion matrix")
def confusion_matrix(predictions, labels, num_classes):
    p, y = torch.as_tensor(predictions), torch.as_tensor(labels)
    m = torch.zeros(num_classes, num_classes)
    for a, b in zip(p.tolist(), y.tolist()):
        m[b, a] += 1
    return float((2 * m.diag() / (m.sum(0) + m.sum(1)).clamp(min=1)).mean())


@right("sets of places")
def sets_of_places(predictions, labels, num_classes):
    total = 0.0
    for c in range(num_classes):
        p = {i for i, a in enumerate(predictions) if a == c}
        y = {i for i, b in enumerate(labels) if b == c}
        if p or y:
            total += 2 * len(p & y) / (len(p) + len(y))
    return torch.tensor(total / num_classes, dtype=torch.float64)
