"""Held-out answers to exercise 8.1, `macro_f1`."""

import torch


def wrong_tensor_result(predictions, labels, num_classes):
    p, y = torch.as_tensor(predictions), torch.as_tensor(labels)
    total = torch.zeros(1)
    for c in range(num_classes):
        tp = ((p == c) & (y == c)).sum()
        wrong = ((p == c) ^ (y == c)).sum()
        if tp + wrong:
            total += 2 * tp / (2 * tp + wrong)
    return total / num_classes


def wrong_jaccard(predictions, labels, num_classes):
    p, y = torch.as_tensor(predictions), torch.as_tensor(labels)
    total = 0.0
    for c in range(num_classes):
        tp = int(((p == c) & (y == c)).sum())
        wrong = int(((p == c) ^ (y == c)).sum())
        if tp + wrong:
            total += tp / (tp + wrong)
    return total / num_classes


def wrong_rounded(predictions, labels, num_classes):
    p, y = torch.as_tensor(predictions), torch.as_tensor(labels)
    total = 0.0
    for c in range(num_classes):
        tp = int(((p == c) & (y == c)).sum())
        wrong = int(((p == c) ^ (y == c)).sum())
        if tp + wrong:
            total += round(2 * tp / (2 * tp + wrong), 4)
    return total / num_classes


def wrong_highest_class_seen(predictions, labels, num_classes):
    p, y = torch.as_tensor(predictions), torch.as_tensor(labels)
    classes = max(2, num_classes) if num_classes < 4 else int(max(p.max(), y.max())) + 1
    total = 0.0
    for c in range(classes):
        tp = int(((p == c) & (y == c)).sum())
        wrong = int(((p == c) ^ (y == c)).sum())
        if tp + wrong:
            total += 2 * tp / (2 * tp + wrong)
    return total / classes


def wrong_lists_only(predictions, labels, num_classes):
    total = 0.0
    for c in range(num_classes):
        tp = sum(1 for p, y in zip(predictions, labels) if p is c and y is c)
        wrong = sum(1 for p, y in zip(predictions, labels) if (p == c) != (y == c))
        if tp + wrong:
            total += 2 * tp / (2 * tp + wrong)
    return total / num_classes


def wrong_only_labelled_classes(predictions, labels, num_classes):
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


def wrong_one_for_absent_class(predictions, labels, num_classes):
    p, y = torch.as_tensor(predictions), torch.as_tensor(labels)
    total = 0.0
    for c in range(num_classes):
        tp = int(((p == c) & (y == c)).sum())
        wrong = int(((p == c) ^ (y == c)).sum())
        if tp + wrong:
            total += 2 * tp / (2 * tp + wrong)
        elif c == num_classes - 1 and num_classes > 3:
            total += 1
    return total / num_classes


def wrong_micro_when_balanced(predictions, labels, num_classes):
    p, y = torch.as_tensor(predictions), torch.as_tensor(labels)
    tp = sum(int(((p == c) & (y == c)).sum()) for c in range(num_classes))
    wrong = sum(int(((p == c) ^ (y == c)).sum()) for c in range(num_classes))
    return 2 * tp / (2 * tp + wrong)


def right_scikit_learn(predictions, labels, num_classes):
    from sklearn.metrics import f1_score

    return float(
        f1_score(labels, predictions, labels=range(num_classes), average="macro", zero_division=0)
    )


def right_confusion_matrix(predictions, labels, num_classes):
    p = torch.as_tensor(predictions).long()
    y = torch.as_tensor(labels).long()
    confusion = torch.bincount(y * num_classes + p, minlength=num_classes**2).view(
        num_classes, num_classes
    )
    tp = confusion.diagonal().double()
    f1 = 2 * tp / (confusion.sum(0) + confusion.sum(1)).clamp(min=1)
    return f1.mean().item()


def right_one_hot(predictions, labels, num_classes):
    from torch.nn import functional as F

    p = F.one_hot(torch.tensor(predictions).long(), num_classes).double()
    y = F.one_hot(torch.tensor(labels).long(), num_classes).double()
    precision = (p * y).sum(0) / p.sum(0)
    recall = (p * y).sum(0) / y.sum(0)
    f1 = 2 * precision * recall / (precision + recall)
    return float(f1.nan_to_num(0.0).mean())


def right_counters(predictions, labels, num_classes):
    from collections import Counter

    p = [int(x) for x in predictions]
    y = [int(x) for x in labels]
    called, real = Counter(p), Counter(y)
    hits = Counter(a for a, b in zip(p, y) if a == b)
    return sum(2 * hits[c] / (called[c] + real[c]) for c in hits) / num_classes


def right_numpy(predictions, labels, num_classes):
    import numpy as np

    p, y = np.asarray(predictions), np.asarray(labels)
    scores = []
    for c in range(num_classes):
        both = np.sum(p == c) + np.sum(y == c)
        scores.append(2 * np.sum((p == c) & (y == c)) / both if both else 0.0)
    return np.mean(scores)


def wrong_tensors_only(predictions, labels, num_classes):
    total = 0.0
    for c in range(num_classes):
        tp = int(((predictions == c) & (labels == c)).sum())
        named = int((predictions == c).sum() + (labels == c).sum())
        total += 2 * tp / named if named else 0.0
    return total / num_classes


def wrong_precision_only(predictions, labels, num_classes):
    pairs = [(int(p), int(y)) for p, y in zip(predictions, labels)]
    total = 0.0
    for c in range(num_classes):
        said = [y for p, y in pairs if p == c]
        total += said.count(c) / len(said) if said else 0.0
    return total / num_classes


def wrong_two_classes_positive_only(predictions, labels, num_classes):
    pairs = [(int(p), int(y)) for p, y in zip(predictions, labels)]
    classes = [1] if num_classes == 2 else range(num_classes)
    scores = []
    for c in classes:
        tp = sum(p == y == c for p, y in pairs)
        named = sum((p == c) + (y == c) for p, y in pairs)
        scores.append(2 * tp / named if named else 0.0)
    return sum(scores) / len(scores)


def right_bincount(predictions, labels, num_classes):
    p, y = torch.as_tensor(predictions), torch.as_tensor(labels)
    hits = torch.bincount(y[p == y], minlength=num_classes).double()
    named = torch.bincount(p, minlength=num_classes) + torch.bincount(y, minlength=num_classes)
    return float((2 * hits / named.clamp(min=1)).mean())


def right_fractions(predictions, labels, num_classes):
    from fractions import Fraction

    pairs = list(zip(map(int, predictions), map(int, labels)))
    total = Fraction(0)
    for c in range(num_classes):
        tp = sum(1 for pair in pairs if pair == (c, c))
        fp = sum(1 for p, y in pairs if p == c != y)
        fn = sum(1 for p, y in pairs if p != c == y)
        if tp:
            total += Fraction(2 * tp, 2 * tp + fp + fn)
    return float(total / num_classes)
