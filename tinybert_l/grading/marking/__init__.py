"""Grading by hand at speed: one page per question, with everybody's answers below each other."""
