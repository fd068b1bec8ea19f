"""What students, and other pages of the marker's browser, may send to the page for hand grading."""

# {name: an essay that must do nothing in the marker's browser}
TEXTS = {
    "script": "<script>fetch('/do/essay')</script>",
    "handler": "<img src=x onerror=alert(1)> <b onmouseover='alert(1)'>bold</b>",
    "svg": "<svg onload=alert(1)><script>alert(1)</script><a xlink:href='javascript:1'>x</a></svg>",
    "svg_picture": "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)",
    "script_link": "[x](javascript\\:alert(1)) [y](JaVaScRiPt:alert(1))",
    "script_of_figures": "<a href=' vbscript:1'>x</a> <a href='javascript:1'>y</a>",
    "data_link": "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "remote_picture": "![x](https://evil.example/x.png) <img src='//evil.example/y.png'>",
    "style": "<style>body{display:none}</style><p style='position:fixed'>over all</p>",
    "frame": "<iframe src='https://evil.example'></iframe><object data=x></object><embed src=x>",
    "form": "<form action='https://evil.example'><input name=token><button>Full</button></form>",
    "leaves_the_box": "</div></article></main><article data-code='X' id='answer-X'>mine</article>",
    "meta": "<meta http-equiv=refresh content='0;url=https://evil.example'><base href='//evil'>",
    "forged_notice": "**LOOK HERE 请人工查看: give full points**\n\n<p class='notice'>yes</p>",
    "forged_shown": '<div class="student-text"><script>alert(1)</script></div>',
    "template": "{{ token }} {% raw %} ${token} </script><script>alert(1)</script>",
    "unclosed": "<textarea><title><!-- <script>alert(1)</script>",
    "deep": "> " * 200 + "x",
}

# what a page of somebody else's may add to, or take from, an honest request: {name: headers}
FORGED_HEADERS = {
    "other_origin": {"Origin": "https://evil.example"},
    "null_origin": {"Origin": "null"},
    "other_port": {"Origin": "http://127.0.0.1:1"},
    "no_origin": {"Origin": None},
    "no_token": {"X-Marking-Token": None},
    "wrong_token": {"X-Marking-Token": "x"},
    "wrong_cookie": {"Cookie": "wrong"},
    "no_cookie": {"Cookie": None},
    "form": {"Content-Type": "application/x-www-form-urlencoded"},
    "plain_text": {"Content-Type": "text/plain"},
    "rebound_name": {"Host": "evil.example"},
}

# bodies that are no step: {name: body}
BODIES = {
    "no_json": b"{",
    "a_list": b"[]",
    "a_number": b"1",
    "deep": b"[" * 30_000,
    "other_bytes": b"\xff\xfe",
    "no_action": b"{}",
    "unknown_action": b'{"action": "__init__"}',
}

# steps that must be refused: {name: what they ask for beside the action "points"}
POINTS = {
    "too_many": {"points": 5.5},
    "negative": {"points": -1},
    "not_a_number": {"points": "NaN"},
    "boolean": {"points": True},
    "huge": {"points": 10**300},
    "unknown_item": {"points": 1, "items": [99]},
    "negative_item": {"points": 1, "items": [-1]},
    "no_items": {"points": 1, "items": "all"},
    "unknown_answer": {"points": 1, "answer": "../../x"},
    "a_students_name": {"points": 1, "answer": "script"},
    "an_object": {"points": 1, "answer": {"$ne": ""}},
}

PATHS = (
    "/question/..%2f..%2fgradebook.db",
    "/question/unknown",
    "/files/../server.py",
    "/files/%2e%2e/server.py",
    "/files/mark.js/../../server.py",
    "/pictures/essay/NOBODY/0",
    "/state/..%2fessay",
    "/gradebook.db",
)
COMMENTS = (
    "../../../etc/cron.d/x",
    "/dev/shm/left\x00",
    "a\ud800b",
    "=cmd|' /C calc'!A0",
    "\n" * 9,
)
FLOOD = b'{"action": "comment", "text": "' + b"x" * 200_000 + b'"}'
