"""What the program ``amer-lite`` does, one module a command; each leaves files for the next.

All raise FileNotFoundError and ValueError in words for the user of the program: where a command was
not run before, or with other settings, and where a file is missing or malformed (it is named).
"""
