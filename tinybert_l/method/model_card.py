"""The card of an exported sub-model: what it is, what was measured, how it is loaded."""

from typing import Any

CARD = """\
---
library_name: transformers
pipeline_tag: text-classification
tags:
- text-classification
- bert
- knowledge-distillation
- tinybert-l
---
# {label}: a sub-model of a TinyBERT-L supernet

{task} Taken out of one weight-sharing student whose
sub-models were trained jointly (TinyBERT losses, sandwich rule, self-distillation). \
Vocabulary: {vocabulary:,} word pieces.

Measured on {texts} held-out sentences, {cores} cores ({processor}), length 32, {day}:

| model | {measure} (%), 95 % interval | macro-F1 | ms, batch 1 | ms, batch 32 | MB |
|---|---|---|---|---|---|
{rows}

A constant answer, the most frequent class, gets {chance}.

```python
from transformers import pipeline

{code}
print(classify("a quiet, moving film"))
```

{note}

Limits: one domain, one language, sentences. No other texts were measured.
"""
PLAIN_CODE = 'classify = pipeline("text-classification", model=".")'
PLAIN_NOTE = "It is a plain BERT: transformers alone loads it."
NARROW_CODE = 'classify = pipeline("text-classification", model=".", trust_remote_code=True)'
NARROW_NOTE = (
    "Its heads do not fill its hidden size, which plain BERT does not know: transformers runs\n"
    "`modeling_narrow_bert.py` of this folder. After `import tinybert_l.method.model` it loads as "
    "it is."
)


def latency_key(batch_size: int) -> str:
    """Return the name of the column of latencies at a batch size."""
    return f"ms, batch {batch_size}"


def model_card(numbers: dict[str, Any]) -> str:
    """Return a model card in Markdown."""
    rows = []
    for row in numbers["rows"]:
        accuracy = f"{100 * row['accuracy']:.1f}"
        macro_f1 = ""
        if "low" in row:  # rows that earlier versions measured have no interval
            accuracy += f" ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
            macro_f1 = f"{row['macro_f1']:.3f}"
        single = f"{row[latency_key(1)]:.2f}"
        batch = f"{row[latency_key(32)]:.1f}"
        rows.append(
            f"| {row['model']} | {accuracy} | {macro_f1} | {single} | {batch} | "
            f"{row['bytes'] / 1e6:.1f} |"
        )
    machine = numbers["machine"]
    return CARD.format(
        label=numbers["sub_model"],
        task=numbers["task"],
        measure=numbers["measure"],
        vocabulary=numbers["vocabulary"],
        texts=numbers["texts"],
        chance=f"{100 * numbers['chance']:.1f} %",
        cores=machine["cores"],
        processor=", ".join([machine["processor"], *machine["instructions"]]),
        day=numbers["date"][:10],
        rows="\n".join(rows),
        code=PLAIN_CODE if numbers["plain"] else NARROW_CODE,
        note=PLAIN_NOTE if numbers["plain"] else NARROW_NOTE,
    )
