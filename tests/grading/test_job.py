"""Files of jobs and results keep the format of the versions before."""

import json

from tinybert_l.grading.job import Job, Result, Verdict, read_result, write_job
from tinybert_l.grading.results.audit import Audit

# written by version 0.1, whose fields had the names of these keys
OLD_JOB = {
    "student": "jane",
    "name": "03-architecture",
    "submission": "a" * 64,
    "assignment": "b" * 64,
    "program": "c" * 20,
    "exercise": "layer_map",
    "unsafe": False,
    "cell_seconds": 60,
    "test_seconds": 10,
    "format": 1,
}
OLD_KEY = "d2ef56f63173cfd073dc"
OLD_RESULT = """{
 "error": "",
 "files": {
  "graded.ipynb": "dddd"
 },
 "job": {
  "assignment": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
  "cell_seconds": 60,
  "exercise": "layer_map",
  "format": 1,
  "name": "03-architecture",
  "program": "cccccccccccccccccccc",
  "student": "jane",
  "submission": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  "test_seconds": 10,
  "unsafe": false
 },
 "repairs": [
  "setup: was markdown"
 ],
 "verdicts": [
  {
   "answered": true,
   "cell": "test_layer_map",
   "max_points": 2.0,
   "points": 2.0,
   "reason": ""
  },
  {
   "answered": true,
   "cell": "discussion",
   "max_points": 3.0,
   "points": null,
   "reason": ""
  }
 ]
}"""
JOB = Job(
    student="jane",
    assignment_name="03-architecture",
    submission="a" * 64,
    assignment_sha256="b" * 64,
    library_sha256="c" * 20,
    exercise="layer_map",
    cell_seconds=60,
    test_seconds=10,
)


def test_a_job_of_the_version_before_is_read_and_keeps_its_key(tmp_path):
    assert Job.from_tree(OLD_JOB) == JOB
    assert JOB.key == OLD_KEY
    for name in ("assignment.json", "submission.ipynb"):
        (tmp_path / name).write_text("{}")
    folder = write_job(
        tmp_path / "jobs", JOB, tmp_path / "assignment.json", tmp_path / "submission.ipynb"
    )
    assert folder.name == OLD_KEY
    text = (folder / "job.json").read_text(encoding="utf-8")
    assert text == json.dumps(OLD_JOB, indent=1)


def test_a_result_of_the_version_before_is_read_and_written_alike(tmp_path):
    (tmp_path / "result.json").write_text(OLD_RESULT, encoding="utf-8")
    result = read_result(tmp_path)
    verdicts = [Verdict("test_layer_map", 2.0, 2.0), Verdict("discussion", None, 3.0)]
    assert result == Result(JOB, verdicts, ["setup: was markdown"], {"graded.ipynb": "dddd"})
    assert result.to_json() == OLD_RESULT
    assert read_result(tmp_path / "none") is None


def test_the_audit_keeps_the_keys_of_the_version_before(tmp_path):
    entry = Audit(tmp_path).graded(Result(JOB))
    recorded = {key: entry[key] for key in ("assignment", "submission", "source", "program", "key")}
    assert recorded == {
        "assignment": "03-architecture",
        "submission": "a" * 64,
        "source": "b" * 64,
        "program": "c" * 20,
        "key": OLD_KEY,
    }
