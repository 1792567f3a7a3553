"""Tags: what volunteers say of a package, Debian's package tags the other way round.

A query is a package's short description, its golds are the tags (debtags) of the package, each from
another facet: its language, its interface, its purpose. A description says only some of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from amer_book.worlds import apt, debian_tags
from amer_book.worlds.families import over_families
from amer_lite.datasets.splits import FRACTIONS, fingerprint
from amer_lite.datasets.types import Dataset


def load(
    min_golds: int = 3,
    max_golds: int = 8,
    seed: int = 0,
    fractions: Mapping[str, float] = FRACTIONS,
) -> Dataset:
    """Descriptions of packages with ``min_golds`` to ``max_golds`` tags.

    Documents are tags as phrases: "written in Python". (An audit reports "written in C#" as a
    repeat of "written in C": it does not see symbols.) Packages of one family with equal
    descriptions, once normalised, are one query, which has the tags of all; a description that
    several families share ("transitional package") is left out. Packages of equal tags may part:
    there are only some hundred tags, and chains of equal sets would tie half of the packages
    together. Ids are ``t-`` and the tag, ``s-`` and the description's hash. Arguments and errors
    are those of `dependencies.load` and `debian_tags.read`.
    """
    known, phrases = debian_tags.read()
    packages = apt.packages()
    texts: dict[str, str] = {}
    tags: dict[str, set[str]] = defaultdict(set)
    families: dict[str, set[str]] = defaultdict(set)
    for name in sorted(packages.keys() & known.keys()):
        query = f"s-{fingerprint(packages[name].description)}"
        texts.setdefault(query, packages[name].description)
        tags[query].update(known[name])
        families[query].add(packages[name].family)
    queries = (
        (query, texts[query], [f"t-{tag}" for tag in sorted(tags[query] & phrases.keys())], family)
        for query in sorted(texts)
        for family in families[query]
        if len(families[query]) == 1
    )
    phrased = {f"t-{tag}": phrase for tag, phrase in phrases.items()}
    carrier = f"tags from {debian_tags.FOLDER}. {debian_tags.NOTICE}"
    source = f"Descriptions of this machine's apt, {carrier}"
    world, limits = "debian-tags-reversed", (min_golds, max_golds)
    return over_families(
        world, queries, phrased, source, limits, seed, fractions, like_golds_part=True
    )
