"""Every figure of the book, one function each; and ``show``, which puts a figure on the page.

Functions here draw what they are given: no computing inside. What a single chapter wants otherwise
it sets on the figure that it gets, by plotly's own ``update_xaxes`` and ``update_yaxes``.
"""

from amer_book.figures.around import Mark, around
from amer_book.figures.budget import Priced, quality_and_cost
from amer_book.figures.cost import bill, estimate, tradeoff
from amer_book.figures.emitting import cache_work, pointing, who_finds_what
from amer_book.figures.gathering import Gathering, gathering
from amer_book.figures.geometry import Cap, caps
from amer_book.figures.lines import frontier, lines, panels
from amer_book.figures.matching import assignment, trails
from amer_book.figures.merging import Turn, merge_steps
from amer_book.figures.page import show
from amer_book.figures.phase import phase_diagram, predictions
from amer_book.figures.rows import dots, forest, seed_dots
from amer_book.figures.searching import ScorePlane, score_planes

__all__ = [
    "Cap",
    "Gathering",
    "Mark",
    "Priced",
    "ScorePlane",
    "Turn",
    "around",
    "assignment",
    "bill",
    "cache_work",
    "caps",
    "dots",
    "estimate",
    "forest",
    "frontier",
    "gathering",
    "lines",
    "merge_steps",
    "panels",
    "phase_diagram",
    "pointing",
    "predictions",
    "quality_and_cost",
    "score_planes",
    "seed_dots",
    "show",
    "tradeoff",
    "trails",
    "who_finds_what",
]
