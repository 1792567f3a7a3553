"""Every figure of the book, one function each; and ``show``, which puts a figure on the page.

Functions here draw what they are given: no computing inside.
"""

from amer_lite.plots.emitting import cache_work, cost_lines, seed_dots, who_finds_what
from amer_lite.plots.feeding import training_curves
from amer_lite.plots.forest import forest
from amer_lite.plots.geometry import Cap, boundary, caps, oracle_lines
from amer_lite.plots.leaks import museum, scissors
from amer_lite.plots.matching import assignment, trails
from amer_lite.plots.merging import Turn, merge_steps
from amer_lite.plots.page import show
from amer_lite.plots.panels import panels
from amer_lite.plots.phase import phase_diagram, predictions
from amer_lite.plots.pointing import pointing
from amer_lite.plots.searching import ScorePlane, intervals, score_planes
from amer_lite.plots.worlds import gold_cosines, world_scores

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
