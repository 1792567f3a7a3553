"""What ``python -m amer_lite`` does, one module a command; each leaves files for the next."""
