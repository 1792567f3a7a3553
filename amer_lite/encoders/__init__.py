"""Frozen text encoders and language models as readers; their results are cached."""
