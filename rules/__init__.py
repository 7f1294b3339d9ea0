"""Decisions of the business as pure functions: no clock, no randomness, no I/O, standard library only."""
