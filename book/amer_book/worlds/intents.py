"""Many intents: one query asks for several unrelated things at once.

A query mentions 2–5 nouns ("look up osprey as well as gasket as well as sonnet"); its golds are
their documents, ``word: definition``, among thousands of others. The word stands in its document
on purpose: each intent alone is then easy, even for a word that was never trained on, so that what
is hard about a query is only that it has many. No query of a test mentions a word of training.

The definitions are WordNet's (see `wordnet_files`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from amer_book.worlds.kinds import hierarchy
from amer_book.worlds.wordnet_files import Nouns, fetch
from amer_lite.datasets.splits import FRACTIONS, split
from amer_lite.datasets.types import Dataset, Example

SPREADS = ("near", "random", "far")
FAMILY = 100  # nouns below the hypernym that makes words near: a bird or a garment, not a thing
QUERIES: Mapping[str, int] = {"train": 8_000, "dev": 500, "test": 1_000}
# First, middle and last mention. Nouns stay bare: which ones take an article, WordNet cannot tell.
PHRASINGS = (
    ("{}", ", {}", " and {}"),
    ("{}", " {}", " {}"),
    ("define {}", ", {}", ", {}"),
    ("what {} means", ", what {} means", " and what {} means"),
    ("tell me about {}", " then about {}", " and also what {} means"),
    ("look up {}", " as well as {}", " as well as {}"),
    ("a short explanation of {}", " plus {}", " plus {}"),
)
INSULT = re.compile(r"\b(offensive|slurs?|obscene|disparaging|derogatory|vulgar)\b")
_TRIES = 200  # draws before a query is given up: of five words, all are far two times in five


@dataclass(frozen=True)
class _Word:
    """A noun with one meaning, and where that lies in the hierarchy."""

    text: str
    definition: str
    branch: str
    family: str  # key of the narrowest hypernym of at least FAMILY nouns


def load(
    spread: str = "random",
    min_intents: int = 2,
    max_intents: int = 5,
    documents: int = 16_000,
    words: int = 12_000,
    queries: Mapping[str, int] = QUERIES,
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
) -> Dataset:
    """Queries for ``min_intents`` to ``max_intents`` nouns at once, sizes equally often.

    The nouns are single words in lower case with one sense, one noun a definition: a synonym's
    document would answer too. Those whose definitions speak of insults are left out. Queries never
    depend on ``documents``, so the density of the corpus can be varied alone. The phrasings are the
    same in all splits: it is the words that are new in a test. Within a split no two queries have
    the same golds. Golds stand in the order of their mention, which is random.

    Args:
        spread: how unlike the intents of one query are. ``"near"``: all of one family, that is,
            with the same narrowest hypernym that has at least `FAMILY` of these nouns below it;
            ``"random"``: any; ``"far"``: all of different branches, WordNet's 26 files: animals,
            artifacts, food …. Neither depends on how many words a split has.
        documents: size of the corpus.
        words: how many documents may be asked for; the others only stand in the way.
        queries: split to number of queries.
        fractions: split to its share of the words; see `splits.split`.
        seed: of the sample of words, of the split and of the queries.

    Returns:
        a data set with ids ``d-`` + word and ``i-`` + the words; corpus sorted by id.

    Raises:
        ValueError: bad arguments, or a split with too few words for its queries.
        FileNotFoundError: no carrier has WordNet; the message lists what was tried.
    """
    if spread not in SPREADS:
        raise ValueError(f"intents: spread {spread!r} is unknown; choose one of {SPREADS}")
    if not 1 <= min_intents <= max_intents or queries.keys() != fractions.keys():
        raise ValueError(
            "intents: need 1 <= min_intents <= max_intents and queries and fractions for the same "
            f"splits, got {min_intents}, {max_intents}, {list(queries)} and {list(fractions)}"
        )
    nouns = fetch()
    pool = _pool(nouns)
    if not 1 <= words <= documents <= len(pool):
        raise ValueError(
            f"intents: need 1 <= words <= documents <= {len(pool)} (nouns with one sense), "
            f"got words={words} and documents={documents}"
        )
    order = np.random.default_rng(seed).permutation(len(pool))
    corpus = {f"d-{word.text}": word for word in (pool[i] for i in order[:documents])}
    asked = [Example(doc, word.text, [doc]) for doc, word in list(corpus.items())[:words]]
    splits = {}
    for number, (name, singles) in enumerate(split(asked, fractions, seed).items()):
        members = [corpus[single.id] for single in singles]
        rng = np.random.default_rng([seed, number])
        sizes = rng.integers(min_intents, max_intents + 1, queries[name]).tolist()
        splits[name] = _queries(members, sizes, spread, rng)
    return Dataset(
        f"intents-{spread}-{min_intents}-{max_intents}",
        {doc: f"{corpus[doc].text}: {corpus[doc].definition}" for doc in sorted(corpus)},
        splits,
        nouns.source,
    )


def _pool(nouns: Nouns) -> list[_Word]:
    """One word a definition, the first that will do, sorted."""
    synsets = hierarchy(nouns)
    parents: dict[str, str] = {}
    for key, synset in synsets.items():
        for kind in synset.kinds:
            parents.setdefault(kind, key)
    chosen: dict[str, tuple[str, str]] = {}  # document to word and key of its synset
    for key, synset in synsets.items():
        for word in synset.words:
            plain = word.isascii() and word.isalpha() and word.islower()
            polite = not INSULT.search(nouns.definitions[synset.document])
            if plain and polite and len(nouns.senses.get(word, ())) == 1:
                chosen.setdefault(synset.document, (word, key))
    lines = {}  # word to the keys from its synset up to the root
    for word, key in chosen.values():
        lines[word] = [key]
        while lines[word][-1] in parents:
            lines[word].append(parents[lines[word][-1]])
    nouns_below = Counter(key for line in lines.values() for key in line)
    return [
        _Word(
            word,
            nouns.definitions[synsets[line[0]].document],
            synsets[line[0]].branch,
            next((key for key in line if nouns_below[key] >= FAMILY), line[-1]),
        )
        for word, line in sorted(lines.items())
    ]


def _queries(
    words: Sequence[_Word], sizes: Sequence[int], spread: str, rng: np.random.Generator
) -> list[Example]:
    """A query for each of ``sizes``."""
    families: dict[str, list[_Word]] = defaultdict(list)
    for word in words:
        families[word.family].append(word)
    examples: list[Example] = []
    seen: set[frozenset[str]] = set()
    for size in sizes:
        for _ in range(_TRIES):
            among = words
            if spread == "near":
                among = families[words[int(rng.integers(len(words)))].family]
            if len(among) < size:
                continue
            drawn = [among[i] for i in rng.choice(len(among), size, replace=False)]
            if spread == "far" and len({word.branch for word in drawn}) < size:
                continue
            chosen = [word.text for word in drawn]
            if frozenset(chosen) not in seen:
                break
        else:
            raise ValueError(
                f"intents: after {len(examples)} queries no new {spread} set of {size} was found; "
                "ask for fewer queries or intents, or give it more words"
            )
        seen.add(frozenset(chosen))
        first, middle, last = PHRASINGS[rng.integers(len(PHRASINGS))]
        forms = [first] + [middle] * (size - 2) + [last] * (size > 1)
        query = "".join(form.format(word) for form, word in zip(forms, chosen, strict=True))
        examples.append(Example(f"i-{'+'.join(chosen)}", query, [f"d-{word}" for word in chosen]))
    return examples
