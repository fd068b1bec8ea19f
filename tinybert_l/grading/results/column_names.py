"""Names of columns and rows in platforms' tables, in the languages of their largest sites."""

# Moodle's "Grade" and "Feedback comments" in the languages of its largest sites.
GRADE_COLUMNS = (
    "Grade", "成绩", "成績", "分数", "分數", "score", "mark", "points", "Bewertung", "Calificación",
    "Valutazione", "Оценка", "評点", "Cijfer", "Ocena", "Note", "Nota",
)  # fmt: skip
MAXIMUM_COLUMNS = (
    "Maximum Grade", "最高成绩", "最高分", "滿分", "满分", "Bestwertung", "Note maximale",
    "Calificación máxima", "Nota máxima", "Valutazione massima", "Максимальная оценка", "最高評点",
    "Maximumcijfer", "Maksymalna ocena",
)  # fmt: skip
FEEDBACK_COLUMNS = (
    "Feedback comments", "反馈评论", "评语", "反馈意见", "回饋評論", "Feedback als Kommentar",
    "Feedback par commentaires", "Comentarios de retroalimentación", "Commenti",
    "フィードバックコメント",
)  # fmt: skip
CAN_BE_CHANGED = (
    "Grade can be changed", "成绩可以更改", "Bewertung kann geändert werden",
    "La note peut être modifiée",
)  # fmt: skip
SCALE_COLUMNS = ("Scale", "等级", "Skala", "Barème", "Escala", "评分等级", "量尺")
MAXIMUM_ROWS = frozenset({
    "max", "maximum", "max points", "maximum points", "points possible", "out of", "满分", "滿分",
    "总分", "最高分", "maximal", "höchstpunktzahl", "maximum grade", "max grade",
})  # fmt: skip
