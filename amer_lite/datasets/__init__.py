"""Data sets of queries with unordered sets of gold documents, one module each."""
