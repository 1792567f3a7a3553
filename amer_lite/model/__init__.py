"""AMER: a causal transformer that answers one query with several vectors."""
