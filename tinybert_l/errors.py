"""Errors whose message is written for the user: the command line shows them as one line."""


class CourseError(Exception):
    """Something that the user can mend; the message says what and how."""


class InvalidInput(CourseError, ValueError):
    """An argument, option or file that cannot be used.

    The message names it, what was given and what is allowed.
    """
