"""What the program ``amer-lite`` does, one module a command; each leaves files for the next."""
