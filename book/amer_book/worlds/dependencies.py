"""Dependencies: what a program is built on, as the machine's own apt says (Debian, Ubuntu).

A query is a package with its short description, its golds are the packages on which it depends
directly. A description says what a program does and hardly ever what it needs, so the parts are
implied: no split of the query's text finds them. People (and the linker) wrote the lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from amer_book.worlds import apt
from amer_book.worlds.families import over_families
from amer_lite.datasets.splits import FRACTIONS
from amer_lite.datasets.types import Dataset


def load(
    min_golds: int = 2,
    max_golds: int = 8,
    max_uses: int = 300,
    seed: int = 0,
    fractions: Mapping[str, float] = FRACTIONS,
) -> Dataset:
    """Packages with ``min_golds`` to ``max_golds`` dependencies that say something of them.

    Left out are dependencies from the package's own source (a library and its data), then those
    that more than ``max_uses`` packages have (libc). A text is ``name: short description``; ids are
    ``d-`` and ``q-`` with the package's name; a family is a source, `apt.Package.family`. The data
    follow the machine's apt lists, so figures differ between releases. Other arguments and errors
    are those of `families.over_families` and `apt.packages`.
    """
    packages = apt.packages()
    needs = {
        name: [o for o in p.dependencies if o in packages and packages[o].source != p.source]
        for name, p in sorted(packages.items())
    }
    uses = Counter(other for others in needs.values() for other in others)
    texts = {f"d-{name}": f"{name}: {package.description}" for name, package in packages.items()}
    golds = {n: [f"d-{o}" for o in others if uses[o] <= max_uses] for n, others in needs.items()}
    queries = ((f"q-{n}", texts[f"d-{n}"], golds[n], packages[n].family) for n in golds)
    source = f"Packages of this machine's apt. {apt.NOTICE}."
    limits = (min_golds, max_golds)
    return over_families("dependencies", queries, texts, source, limits, seed, fractions)
