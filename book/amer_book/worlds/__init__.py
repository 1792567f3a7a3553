"""Data sets made for teaching."""
