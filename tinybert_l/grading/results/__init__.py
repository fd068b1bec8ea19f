"""Record, prove and show grades: gradebook, audit, feedback, report, files for platforms."""
