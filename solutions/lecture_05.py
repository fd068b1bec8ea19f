"""Reference answers of lecture 5."""


def split_document(token_ids, max_length, stride):
    if max_length < 1 or not 1 <= stride <= max_length:
        raise ValueError(
            f"split_document: max_length={max_length}, stride={stride}; allowed: max_length >= 1, "
            "1 <= stride <= max_length."
        )
    windows = []
    for start in range(0, len(token_ids), stride):
        windows.append(list(token_ids[start : start + max_length]))
        if start + max_length >= len(token_ids):
            break
    return windows


def best_answer_span(start_logits, end_logits, max_answer_length):
    if len(start_logits) != len(end_logits) or not len(start_logits) or max_answer_length < 1:
        raise ValueError(
            f"best_answer_span: {len(start_logits)} start and {len(end_logits)} end logits, "
            f"max_answer_length={max_answer_length}; "
            "allowed: equally many, at least one, and at least 1."
        )
    best, best_score = None, None
    for start in range(len(start_logits)):
        for end in range(start, min(start + max_answer_length, len(end_logits))):
            score = float(start_logits[start]) + float(end_logits[end])
            # only a strictly better one: of equal spans the earliest, then the shortest stays
            if best is None or score > best_score:
                best, best_score = (start, end), score
    return best
