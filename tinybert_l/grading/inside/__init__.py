"""All of the grading that a submission's process can see: the sandbox shows it this folder alone.

Its modules import each other, the ground floor and `tinybert_l.exercises`, and nothing else of
`tinybert_l.grading`, which does not exist in the sandbox.
"""
