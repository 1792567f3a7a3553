"""Lists, as in QAMPARI: the query is "kinds of X", golds define the direct hyponyms of X.

X is the first word of a WordNet synset. Where several synsets that have kinds bear that word, its
definition is added ("kinds of coat: an outer garment …"), whatever the other arguments are. The
definition of X itself may be in the corpus, as a kind of something else: a near miss that every
retriever finds. Instances (Paris is a city) are not kinds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from amer_book.worlds.wordnet import over_golds
from amer_book.worlds.wordnet_files import Nouns, fetch
from amer_lite.datasets.splits import FRACTIONS
from amer_lite.datasets.types import Dataset


def load(
    min_kinds: int = 2,
    max_kinds: int = 8,
    documents: int | None = None,
    seed: int = 0,
    fractions: Mapping[str, float] = FRACTIONS,
) -> Dataset:
    """Every X with ``min_kinds`` to ``max_kinds`` kinds; arguments and errors as in `wordnet.load`.

    Ids are ``k-`` + word + the hash of the definition, and those of `wordnet.load` for the
    documents; splits are sorted by id. ``load(5, 8)`` asks for long lists only.
    """
    nouns = fetch()
    limits = (min_kinds, max_kinds)
    return over_golds("wordnet-kinds", _lists(nouns), limits, nouns, documents, seed, fractions)


def _lists(nouns: Nouns) -> Iterator[tuple[str, str, list[str]]]:
    synsets = hierarchy(nouns)
    parents = {key: synset for key, synset in synsets.items() if synset.kinds}
    bearers = Counter(word.lower() for synset in parents.values() for word in synset.words)
    for key, synset in parents.items():
        word = synset.words[0]
        query = "kinds of " + word.replace("_", " ")
        if bearers[word.lower()] > 1:
            query += ": " + nouns.definitions[synset.document]
        golds = dict.fromkeys(synsets[kind].document for kind in synset.kinds)
        yield f"k-{key}", query, list(golds)


@dataclass(frozen=True)
class Synset:
    """One meaning of a set of words; see `wordnet_files.Row`."""

    words: tuple[str, ...]
    document: str
    branch: str
    kinds: tuple[str, ...]  # keys, sorted


def hierarchy(nouns: Nouns) -> dict[str, Synset]:
    """All synsets, sorted, under keys that every carrier has: first word, ``-``, fingerprint."""
    rows = nouns.rows
    keys = {at: f"{row.words[0]}-{row.document[2:]}" for at, row in rows.items()}
    same: dict[str, list[str]] = defaultdict(list)  # key to offsets: one pair of synsets are twins
    for at in sorted(rows, key=lambda at: (keys[at], rows[at].words)):
        same[keys[at]].append(at)
    return {
        key: Synset(
            tuple(dict.fromkeys(word for at in twins for word in rows[at].words)),
            rows[twins[0]].document,
            rows[twins[0]].branch,
            tuple(sorted({keys[kind] for at in twins for kind in rows[at].kinds})),
        )
        for key, twins in same.items()
    }
