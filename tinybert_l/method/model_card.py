"""The card of an exported sub-model: what it is, what was measured, how it is loaded."""

from typing import Any

CARD = """\
# {label}: a sub-model of a TinyBERT-L supernet

{task} Taken out of one weight-sharing student whose
sub-models were trained jointly (TinyBERT losses, sandwich rule, self-distillation). \
Vocabulary: {vocabulary:,} word pieces.

Measured on {texts} held-out sentences, {cores} cores ({processor}), length 32, {day}:

| model | {measure} (%) | ms, batch 1 | ms, batch 32 | MB |
|---|---|---|---|---|
{rows}

```python
import tinybert_l.method.model  # makes the architecture known to transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

model = AutoModelForSequenceClassification.from_pretrained(".")
tokenizer = AutoTokenizer.from_pretrained(".")
classify = pipeline("text-classification", model=model, tokenizer=tokenizer)
print(classify("a quiet, moving film"))
```

Limits: one domain, one language, sentences. No other texts were measured.
"""


def latency_key(batch_size: int) -> str:
    """Return the name of the column of latencies at a batch size."""
    return f"ms, batch {batch_size}"


def model_card(numbers: dict[str, Any]) -> str:
    """Return a model card in Markdown."""
    rows = []
    for row in numbers["rows"]:
        accuracy = f"{100 * row['accuracy']:.1f}"
        single = f"{row[latency_key(1)]:.2f}"
        batch = f"{row[latency_key(32)]:.1f}"
        rows.append(
            f"| {row['model']} | {accuracy} | {single} | {batch} | {row['bytes'] / 1e6:.1f} |"
        )
    machine = numbers["machine"]
    return CARD.format(
        label=numbers["sub_model"],
        task=numbers["task"],
        measure=numbers["measure"],
        vocabulary=numbers["vocabulary"],
        texts=numbers["texts"],
        cores=machine["cores"],
        processor=", ".join([machine["processor"], *machine["instructions"]]),
        day=numbers["date"][:10],
        rows="\n".join(rows),
    )
