"""What only the chapters need: figures, teaching worlds, rival retrievers, recorded runs."""
