"""Matching vectors with gold documents, and training by it."""
