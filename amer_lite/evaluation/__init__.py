"""Measures per query, paired tests, TREC files, the geometry of gold sets."""
