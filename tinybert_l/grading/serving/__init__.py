"""Take hand-ins over HTTP: receipts at once, visible tests soon, the grading later as ever."""
