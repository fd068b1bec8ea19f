"""What becomes of verdicts: gradebook, audit, feedback, report, files for learning platforms."""
