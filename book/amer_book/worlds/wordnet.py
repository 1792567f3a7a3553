"""Ambiguous words: WordNet's nouns are the queries, the definitions of their senses the golds.

A document is one definition without its example sentences and without the synonyms, which would
give the answer away. The data are those of WordNet 3.0 (Miller, CACM 1995), found by
`wordnet_files`, which says in ``Dataset.source`` where. Ids are the same from every carrier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from amer_book.worlds.wordnet_files import Nouns, fetch
from amer_lite.datasets.splits import FRACTIONS, split
from amer_lite.datasets.types import Dataset, Example


def load(
    min_senses: int = 2,
    max_senses: int = 8,
    documents: int | None = None,
    seed: int = 0,
    fractions: Mapping[str, float] = FRACTIONS,
) -> Dataset:
    """Every noun with ``min_senses`` to ``max_senses`` different definitions, as a query.

    Definitions that are equal after `splits.normalise_text` are one; golds stand in WordNet's
    order, the most frequent sense first. Ids are ``w-`` + lemma and ``n-`` + 12 hex digits of the
    definition's hash. ``load(1, 1)`` gives the words with one sense: narrow queries, for which
    several vectors should be of no use.

    Args:
        min_senses, max_senses: from 1 on.
        documents: at most so many definitions: a seeded sample of the *words*, whose definitions
            then are the corpus. A larger number extends a smaller sample. None takes all words.
        seed: of that sample and of the split.

    Returns:
        a data set whose corpus (sorted by id) holds exactly the definitions of its words, whose
        splits are sorted by word, and whose ``source`` names the carrier and the licence.

    Raises:
        ValueError: bad arguments, or too few words for the splits.
        FileNotFoundError: no carrier has WordNet; the message lists what was tried.
    """
    nouns = fetch()
    words = ((f"w-{word}", word.replace("_", " "), ids) for word, ids in nouns.senses.items())
    limits = (min_senses, max_senses)
    return over_golds("wordnet-nouns", words, limits, nouns, documents, seed, fractions)


def over_golds(
    name: str,
    queries: Iterable[tuple[str, str, Sequence[str]]],
    limits: tuple[int, int],
    nouns: Nouns,
    documents: int | None,
    seed: int,
    fractions: Mapping[str, float],
) -> Dataset:
    """A data set of (id, text, golds) whose number of golds is within ``limits``; see `load`."""
    least, most = limits
    if not 1 <= least <= most or (documents is not None and documents < least):
        raise ValueError(
            f"{name}: need 1 <= fewest <= most golds, and documents for one query, "
            f"got {least}, {most} and documents={documents}"
        )
    examples = [Example(*query) for query in queries if least <= len(query[2]) <= most]
    if documents is not None:
        examples = _sample(examples, documents, seed)
    if not examples:
        raise ValueError(f"{name}: no query with {least} to {most} golds, documents={documents}")
    used = sorted({doc for example in examples for doc in example.gold_ids})
    corpus = {doc: nouns.definitions[doc] for doc in used}
    splits = split(examples, fractions, seed)
    return Dataset(f"{name}-{least}-{most}", corpus, splits, nouns.source)


def _sample(examples: Sequence[Example], documents: int, seed: int) -> list[Example]:
    """Examples in seeded random order until the next one would bring too many definitions."""
    kept: list[int] = []
    corpus: set[str] = set()
    for i in np.random.default_rng(seed).permutation(len(examples)):
        new = set(examples[i].gold_ids) - corpus
        if len(corpus) + len(new) > documents:
            break
        corpus |= new
        kept.append(i)
    return [examples[i] for i in sorted(kept)]
