"""Two tasks from WordNet's nouns: ambiguous words, and "kinds of X".

A document is one definition without its example sentences and without the synonyms, which would
give the answer away. The data are those of WordNet 3.0 (Miller, CACM 1995), found by
`wordnet_files`, which says in ``Dataset.source`` where. Ids are the same from every carrier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from amer_lite.datasets.splits import FRACTIONS, split
from amer_lite.datasets.types import Dataset, Example
from amer_lite.datasets.wordnet_files import Nouns, fetch


def load(
    min_senses: int = 2,
    max_senses: int = 8,
    documents: int | None = None,
    seed: int = 0,
    fractions: Mapping[str, float] = FRACTIONS,
) -> Dataset:
    """Every noun with ``min_senses`` to ``max_senses`` different definitions, as a query.

    Golds are the definitions of its senses. Those that are equal after `splits.normalise` are one
    document, so a word's senses are counted by *different* definitions; golds stand in WordNet's
    order, the most frequent sense first. Ids are ``w-`` + lemma and ``n-`` + 12 hex digits of the
    definition's hash. ``load(1, 1)`` gives the words with one sense: narrow queries, for which
    several vectors should be of no use.

    Args:
        min_senses: at least 1.
        max_senses: at least ``min_senses``.
        documents: at most so many definitions: a seeded sample of the *words*, whose definitions
            then are the corpus. None takes all words. A larger number extends a smaller sample.
        seed: of that sample and of the split.
        fractions: shares of the splits; see `splits.split`, which keeps like words together.

    Returns:
        a data set whose corpus (sorted by id) holds exactly the definitions of its words, whose
        splits are sorted by word, and whose ``source`` names the carrier and the licence.

    Raises:
        ValueError: bad arguments, or too few words for the splits.
        FileNotFoundError: no carrier has the data; the message lists what was tried.
    """
    _check(min_senses, max_senses, documents, "senses")
    nouns = fetch()
    examples = [
        Example(f"w-{word}", word.replace("_", " "), ids)
        for word, ids in nouns.senses.items()
        if min_senses <= len(ids) <= max_senses
    ]
    name = f"wordnet-nouns-{min_senses}-{max_senses}"
    missing = f"no noun has {min_senses} to {max_senses} senses"
    return _dataset(name, nouns, examples, missing, documents, seed, fractions)


def kinds(
    min_kinds: int = 2,
    max_kinds: int = 8,
    documents: int | None = None,
    seed: int = 0,
    fractions: Mapping[str, float] = FRACTIONS,
) -> Dataset:
    """Lists, as in QAMPARI: the query is "kinds of X", golds define the direct hyponyms of X.

    X is the first word of a synset. Where several synsets that have kinds bear that word, its
    definition is added ("kinds of coat: an outer garment …"), whatever the other arguments are.
    The definition of X itself may be in the corpus, as a kind of something else: a near miss that
    every retriever finds. Instances (Paris is a city) are not kinds. Ids are ``k-`` + word + the
    hash of the definition, and those of `load` for the documents.

    Args:
        min_kinds: at least 1; ``kinds(5, 8)`` asks for long lists only.
        max_kinds: at least ``min_kinds``.
        documents: at most so many definitions, as in `load`: a seeded sample of the *queries*.
        seed: of that sample and of the split.
        fractions: shares of the splits; see `splits.split`.

    Returns:
        a data set whose corpus (sorted by id) holds exactly the golds, with splits sorted by id.

    Raises:
        ValueError: bad arguments, or too few queries for the splits.
        FileNotFoundError: no carrier has the data; the message lists what was tried.
    """
    _check(min_kinds, max_kinds, documents, "kinds")
    nouns = fetch()
    parents = (synset for synset in nouns.synsets.values() if synset.kinds)
    bearers = Counter(word.lower() for synset in parents for word in synset.words)
    examples = []
    for key, synset in nouns.synsets.items():
        golds = dict.fromkeys(nouns.synsets[kind].document for kind in synset.kinds)
        if min_kinds <= len(golds) <= max_kinds:
            word = synset.words[0]
            query = "kinds of " + word.replace("_", " ")
            if bearers[word.lower()] > 1:
                query += ": " + nouns.definitions[synset.document]
            examples.append(Example(f"k-{key}", query, list(golds)))
    name = f"wordnet-kinds-{min_kinds}-{max_kinds}"
    missing = f"nothing has {min_kinds} to {max_kinds} kinds"
    return _dataset(name, nouns, examples, missing, documents, seed, fractions)


def _check(low: int, high: int, documents: int | None, what: str) -> None:
    if not 1 <= low <= high:
        raise ValueError(f"wordnet: need 1 <= min_{what} <= max_{what}, got {low} and {high}")
    if documents is not None and documents < low:
        raise ValueError(f"wordnet: documents={documents} cannot hold one query of {low} {what}")


def _dataset(
    name: str,
    nouns: Nouns,
    examples: Sequence[Example],
    missing: str,
    documents: int | None,
    seed: int,
    fractions: Mapping[str, float],
) -> Dataset:
    """The data set of (a sample of) the examples, over exactly their golds."""
    if documents is not None:
        examples = _sample(examples, documents, seed)
        missing += f" within documents={documents}"
    if not examples:
        raise ValueError(f"wordnet: {missing}")
    used = sorted({doc for example in examples for doc in example.gold_ids})
    corpus = {doc: nouns.definitions[doc] for doc in used}
    return Dataset(name, corpus, split(examples, fractions, seed), nouns.source)


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
