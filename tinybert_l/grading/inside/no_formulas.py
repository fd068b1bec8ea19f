"""Stands in the sandbox where the library keeps the method's own functions.

A submission is to write them itself, and must find none that would pass for its answer.
"""
