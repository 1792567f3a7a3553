"""Recorded runs: each module is a command that writes a file of ``data/results``."""
