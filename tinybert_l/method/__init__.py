"""TinyBERT-L itself: data, teacher, elastic student, losses, joint training, evaluation, export."""
