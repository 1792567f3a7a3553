"""Intersections, as in QAMPARI: software with two properties at once, from Debian's package tags.

Volunteers describe Debian's packages with tags such as ``implemented-in::python`` (debtags). A
query names a pair of tags; its golds are the descriptions of the packages that bear both.
Descriptions are those of the machine's own apt, tags and their labels those of the package
``debtags``, which Debian and Ubuntu have. Nothing is shipped or installed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from amer_book.worlds import apt
from amer_lite.datasets.splits import FRACTIONS, fingerprint, split
from amer_lite.datasets.types import Dataset, Example
from amer_lite.storage import text_lines

FOLDER = Path("/usr/share/debtags")  # of the package debtags
VOCABULARY, TAGS = "vocabulary", "tags-current.gz"
NOTICE = (
    "Tags: debtags, GPL-2. Descriptions: the Debian and Ubuntu archives, each under the "
    "licence of its package."
)
# How a label is said. Other facets say their own name: "for Networking: Server".
_PHRASES = {
    "implemented-in": "written in {}",
    "interface": "used through {}",
    "made-of": "made of {}",
    "protocol": "speaking {}",
    "role": "packaged as {}",
    "scope": "used as {}",
    "suite": "belonging to {}",
    "uitoolkit": "built with {}",
    "use": "for {}",
    "works-with": "working with {}",
    "works-with-format": "supporting {}",
}
_NO_PROPERTY = ("special", "secteam")  # facets about the archive, not about the software


def load(
    min_golds: int = 2,
    max_golds: int = 8,
    documents: int | None = 5_000,
    min_tags: int = 3,
    seed: int = 0,
    fractions: Mapping[str, float] = FRACTIONS,
) -> Dataset:
    """Pairs of tags that ``min_golds`` to ``max_golds`` descriptions of a corpus share.

    Pairs in which one tag would do alone (all its packages bear the other too) are left out. A
    document is a package's short description; equal ones (`splits.normalise_text`) are one, gold
    for the pairs of each of their packages. Splits share documents, never questions: what is new
    in a test is the pair. Ids are ``p-`` + both tags and ``s-`` + the description's hash. The data
    follow the machine's apt lists, so figures differ between releases.

    Args:
        documents: size of the corpus, a seeded sample of the descriptions; None takes all. A larger
            number extends a smaller sample.
        min_tags: a package needs so many tags, at least 2. Those of thinly tagged packages are
            mostly incomplete, and an unmarked answer counts as a wrong one.
        seed: of that sample and of the split.

    Raises:
        ValueError: bad arguments, no such pair, or a file of an unknown format.
        FileNotFoundError: no apt, no apt lists, or no ``debtags``; the message gives the command.
        OSError, subprocess.TimeoutExpired: apt failed, or took longer than two minutes.
    """
    if not 1 <= min_golds <= max_golds or min_tags < 2:
        raise ValueError(
            "debian_tags: need 1 <= min_golds <= max_golds and min_tags >= 2, "
            f"got {min_golds}, {max_golds} and {min_tags}"
        )
    tags, labels = read()
    known = apt.packages()
    packages = {
        name: said
        for name in sorted(known.keys() & tags.keys())
        if len(said := sorted(set(tags[name]) & labels.keys())) >= min_tags
    }
    texts: dict[str, str] = {}
    bearers: dict[str, list[str]] = defaultdict(list)  # document to packages
    for name in packages:
        doc = f"s-{fingerprint(known[name].description)}"
        texts.setdefault(doc, known[name].description)
        bearers[doc].append(name)
    if documents is not None:
        if not 1 <= documents <= len(texts):
            raise ValueError(
                f"debian_tags: need 1 <= documents <= {len(texts)} (descriptions of packages with "
                f"{min_tags} tags), got {documents}; None takes all"
            )
        order = np.random.default_rng(seed).permutation(len(texts))[:documents]
        names = sorted(texts)
        texts = {names[i]: texts[names[i]] for i in order}

    single: dict[str, set[str]] = defaultdict(set)  # tag to documents
    double: dict[tuple[str, str], set[str]] = defaultdict(set)
    for doc in texts:
        for package in bearers[doc]:
            for tag in packages[package]:
                single[tag].add(doc)
            for pair in combinations(packages[package], 2):
                double[pair].add(doc)
    examples = [
        Example(f"p-{a}+{b}", f"software {labels[a]} and {labels[b]}", sorted(golds))
        for (a, b), golds in sorted(double.items())
        if min_golds <= len(golds) <= max_golds and len(golds) < min(len(single[a]), len(single[b]))
    ]
    if not examples:
        raise ValueError(f"debian_tags: no pair of tags has {min_golds} to {max_golds} golds")
    return Dataset(
        f"debian-tags-{min_golds}-{max_golds}",
        {doc: texts[doc] for doc in sorted(texts)},
        split(examples, fractions, seed),
        f"Short descriptions from this machine's apt, tags from {FOLDER}. {NOTICE}",
    )


def read() -> tuple[dict[str, list[str]], dict[str, str]]:
    """Package to tags, tag to phrase, from the files of the package ``debtags``."""
    if missing := [name for name in (VOCABULARY, TAGS) if not (FOLDER / name).is_file()]:
        raise FileNotFoundError(
            f"debian_tags: {FOLDER} has no {missing}; run `apt-get install debtags` as root"
        )
    tags = parse_tags(line for _, line in text_lines(FOLDER / TAGS))
    return tags, parse_vocabulary("".join(line for _, line in text_lines(FOLDER / VOCABULARY)))


def parse_tags(lines: Iterable[str]) -> dict[str, list[str]]:
    """Package to tags, from the lines ``package: tag, tag`` of debtags' database."""
    found = {}
    for line in filter(None, map(str.strip, lines)):
        package, colon, tags = line.partition(": ")
        if not colon:
            raise ValueError(f"debian_tags: {TAGS}: no 'package: tags' in {line[:60]!r}")
        found[package] = tags.split(", ")
    return found


def parse_vocabulary(text: str) -> dict[str, str]:
    """Tag to a phrase such as "written in Python", from debtags' vocabulary.

    Stanzas ``Facet: name`` and ``Tag: facet::name``, each with ``Description: label`` and perhaps
    more. Tags that say nothing of the software (``special::…``, ``…::TODO``) are left out.
    """
    facets: dict[str, str] = {}
    labels: dict[str, str] = {}
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.split("\n") if ": " in line)
        for kind, table in (("Facet", facets), ("Tag", labels)):
            if kind in fields:
                table[fields[kind].strip()] = " ".join(fields.get("Description", "").split())
    phrases = {}
    for tag, label in labels.items():
        facet, _, name = tag.partition("::")
        if not label or facet not in facets:
            raise ValueError(f"debian_tags: {VOCABULARY}: no label or no facet for {tag!r}")
        if name != "TODO" and facet not in _NO_PROPERTY:
            phrases[tag] = _PHRASES.get(facet, "for {1}: {0}").format(label, facets[facet])
    if not phrases:
        raise ValueError(f"debian_tags: {VOCABULARY} has no tag")
    return phrases
