"""Every figure of the book, one function each; and ``show``, which puts a figure on the page.

Functions here draw what they are given: no computing inside.
"""

from amer_book.figures.emitting import cache_work, cost_lines, seed_dots, who_finds_what
from amer_book.figures.feeding import training_curves
from amer_book.figures.forest import forest
from amer_book.figures.geometry import Cap, boundary, caps, oracle_lines
from amer_book.figures.leaks import museum, scissors
from amer_book.figures.matching import assignment, trails
from amer_book.figures.merging import Turn, merge_steps
from amer_book.figures.page import show
from amer_book.figures.panels import panels
from amer_book.figures.phase import phase_diagram, predictions
from amer_book.figures.pointing import pointing
from amer_book.figures.searching import ScorePlane, intervals, score_planes
from amer_book.figures.worlds import gold_cosines, world_scores

__all__ = [
    "Cap",
    "ScorePlane",
    "Turn",
    "assignment",
    "boundary",
    "cache_work",
    "caps",
    "cost_lines",
    "forest",
    "gold_cosines",
    "intervals",
    "merge_steps",
    "museum",
    "oracle_lines",
    "panels",
    "phase_diagram",
    "pointing",
    "predictions",
    "scissors",
    "score_planes",
    "seed_dots",
    "show",
    "trails",
    "training_curves",
    "who_finds_what",
    "world_scores",
]
