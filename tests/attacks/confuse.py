"""Submissions that return or raise what a grader does not expect."""

from .answers import answer

ATTACKS = {
    "generator_result": answer("kept_layers", "yield 1"),
    "coroutine_result": """
@kept_layers.implement
async def kept_layers(num_layers, depth):
    return [1, 3]
""",
    "lambda_result": answer("kept_layers", "return lambda: [1, 3]"),
    "nan_result": answer(
        "attention_loss",
        """
return torch.tensor(float("nan"))
""",
    ),
    "complex_result": answer("attention_loss", "return torch.tensor(4.0 + 0j)"),
    "string_result": answer(
        "kept_layers",
        """
return "[1, 3]"
""",
    ),
    "error_without_text": answer(
        "kept_layers",
        """
class E(Exception):
    def __str__(self):
        raise self

raise E
""",
    ),
    "keyboard_interrupt": answer("kept_layers", "raise KeyboardInterrupt"),
    "exit_in_answer": answer("kept_layers", "raise SystemExit"),
    "not_utf_8_name": r"""
é = "\ud800"
print(é)
""",
}
