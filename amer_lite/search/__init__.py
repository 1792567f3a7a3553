"""Indexes, and merging the lists of several vectors into one."""
