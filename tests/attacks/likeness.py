"""Answers that attack whoever compares them, or the page that shows them."""

DEEP = 5_000
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)></pre></script><svg onload=alert(1)>"
HOSTILE = {
    "unclosed": "def layer_map(:\n    '''never closed\n" + "x = 1\n" * 30,
    "indents": "\n".join(" " * (number % 7) + f"x{number} = {number}" for number in range(60)),
    "deep": "(" * DEEP + ")" * DEEP,
    "deep_names": "a" + ".b" * DEEP,
    "nul": "layer\0map = 1\n" * 20,
    "surrogate": "name = '\ud800'\n" * 20,
    "terminal": "x = '\x1b]0;owned\x07\x1b[2J'\n" * 20,
    "bidi": "if access == '\u202e resu\u202c': pass\n" * 20,
    "markup": f"x = '{MARKUP}'\ny = [{', '.join(map(str, range(50)))}]\n",
    "runs": "import os\nos.system('touch /tmp/left_by_likeness')\n" * 5,
    "magics": "%run evil.py\n!touch /tmp/left_by_likeness\n%%bash\ntouch /tmp/left_by_likeness\n"
    * 5,
    "long_line": "x = [" + "1, " * 40_000 + "]",
    "many_quotes": '"""' * 20_001,
    "backslashes": "\\" * 50_000,
    "coding": "# -*- coding: utf-7 -*-\n" + "+ADw-script+AD4-alert(1)\n" * 20,
    "number": "9" * 50_000,
}
NAMES = ("=cmd|' C'!A1", "<b>eve<b>", "a" * 200)
ON_PAGE = ("nul", "surrogate", "terminal", "bidi", "markup", "runs", "magics", "coding")
