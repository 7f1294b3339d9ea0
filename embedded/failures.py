"""The one kind of failure that standalone.py explains in a sentence instead of a trace."""


class CannotStart(RuntimeError):
    """Something that a person can put right; the message says what, and how."""
