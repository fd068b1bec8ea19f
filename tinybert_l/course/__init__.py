"""What the notebooks need around the method: the course home, judging, records, figures, tables."""
