"""Say what the record knows of a submission that its marker should know, without naming anybody."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tinybert_l.grading.arrivals import RELEASED_FOR
from tinybert_l.grading.owners import folded, owner_of
from tinybert_l.grading.results.audit import Audit, Entry

REFUSED = (
    "another file of this student's was refused: tinybert-l audit's record says why "
    "该学生另有文件被拒收，原因见审计记录"
)
ANOTHER_COPY = (
    "this student handed in another copy, which does not count 该学生另交了一份，存档，不计分"
)
RELEASED_FOR_ANOTHER = (
    "the notebook was released for somebody else: the record says for whom "
    "该笔记本原是发给他人的，详见审计记录"
)


@dataclass
class Record:
    """What the audit says of an assignment's submissions.

    Args:
        repairs: {student: what was put right in the last submission that was graded}.
        remarks: {student: what else is known of how it came in}.
    """

    repairs: dict[str, list[str]] = field(default_factory=dict)
    remarks: dict[str, list[str]] = field(default_factory=dict)

    def notices(self, student: str, cell: str) -> list[str]:
        """Return what a marker has to know beside a student's answer."""
        notices = []
        for repair in self.repairs.get(student, ()):
            name, _, text = repair.partition(": ")
            if name == cell and text:
                notices.append(text)
        return notices + self.remarks.get(folded(student), [])


def read_record(audit: Audit, name: str) -> Record:
    """Read the audit once for an assignment."""
    return record_of(audit.entries(), name)


def record_of(entries: Iterable[Entry], name: str) -> Record:
    """Return what entries of the audit, oldest first, say of an assignment's submissions."""
    record = Record()
    for entry in entries:
        if entry.get("assignment") != name:
            continue
        if entry["event"] == "graded":
            record.repairs[entry["student"]] = list(entry.get("repairs", ()))
        elif entry["event"] == "refused":
            owner = owner_of(str(entry.get("origin", "")), name)
            if owner is not None:
                _add(record, owner.student, REFUSED)
        elif any(str(note).startswith(RELEASED_FOR) for note in entry.get("notes", ())):
            _add(record, str(entry.get("student", "")), RELEASED_FOR_ANOTHER)
        elif any(str(note).startswith("kept, does not count") for note in entry.get("notes", ())):
            _add(record, str(entry.get("student", "")), ANOTHER_COPY)
    return record


def _add(record: Record, student: str, remark: str) -> None:
    remarks = record.remarks.setdefault(folded(student), [])
    if remark not in remarks:
        remarks.append(remark)
