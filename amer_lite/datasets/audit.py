"""An audit that looks in any data set for what makes its retrieval figures meaningless.

Leaks between splits are judged by the likeness of :mod:`amer_lite.datasets.splits`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Mapping

import numpy as np

from amer_lite.datasets.report import Cases, Finding, Report
from amer_lite.datasets.splits import normalise_text, overlaps
from amer_lite.datasets.types import Dataset, Example

_SURFACE = {
    "leading white space": re.compile(r"\A\s"),
    "trailing white space": re.compile(r"\s\Z"),
    "double space": re.compile(r"\S\s{2,}\S"),
    "tab, line break or other odd space": re.compile(r"[^\S ]"),
}


def audit(dataset: Dataset) -> Report:
    """Look for leaks and duplicates, but not for documents that answer a query and are no golds.

    Returns:
        numbers of documents and of queries by split, and these findings:

        - ``leaked_queries``: queries that also stand, normalised, in an earlier split.
        - ``leaked_golds``: gold sets with a Jaccard index of at least 0.8 with an earlier split's.
        - ``shared_golds``, no fault: queries with a gold of an earlier split. Most sets have some.
        - ``repeated_queries``, no fault: queries like (either way) an earlier one of their split.
        - ``repeated_documents``: documents whose normalised text an earlier document has.
        - ``repeated_golds``: queries with two answers of equal normalised text.
        - ``white_space``: surface features that tell golds from other documents.
    """
    first: dict[str, str] = {}
    texts = {doc: normalise_text(text) for doc, text in dataset.corpus.items()}
    cases = _likenesses(dataset)
    cases["repeated_documents"] = [
        f"{doc!r} repeats {first[text]!r}: {dataset.corpus[doc][:60]!r}"
        for doc, text in texts.items()
        if first.setdefault(text, doc) != doc
    ]
    repeated = (_repeated_gold(example, texts) for example in dataset.examples())
    cases["repeated_golds"] = [*filter(None, repeated)]
    cases["white_space"] = _white_space(dataset)
    queries = {name: len(part) for name, part in dataset.splits.items()}
    counts = {"documents": {"": len(dataset.corpus)}, "queries": queries}
    remarks = ("shared_golds", "repeated_queries")
    findings = {name: Finding(found, name not in remarks) for name, found in cases.items()}
    return Report(dataset.name, counts, findings)


def _likenesses(dataset: Dataset) -> Cases:
    """Queries that are like earlier ones, of other splits or of their own."""
    near: dict[Hashable, list[Hashable]] = defaultdict(list)
    for a, b in overlaps(frozenset(example.gold_ids) for example in dataset.examples()):
        near[a].append(b)
        near[b].append(a)
    names = ("leaked_queries", "leaked_golds", "shared_golds", "repeated_queries")
    cases: Cases = {name: [] for name in names}
    # Under a query, a set of golds and a gold: the first example of each split that has it.
    first: dict[Hashable, dict[str, Example]] = defaultdict(dict)
    for here, part in dataset.splits.items():
        for example in part:
            query, golds = ("query", normalise_text(example.query)), frozenset(example.gold_ids)
            keys: dict[str, list[Hashable]] = {
                "shared_golds": [*example.gold_ids],
                "leaked_golds": [golds, *near[golds]],
                "leaked_queries": [query],
            }
            label, own = f"{here} {example.id!r} {example.query!r}", None
            for name, like in keys.items():
                twins = {split: twin for key in like for split, twin in first[key].items()}
                twin = twins.pop(here, None)
                own = own if name == "shared_golds" else twin or own
                if twins:
                    relation = "shares a gold with" if name == "shared_golds" else "is like"
                    split, twin = next(iter(twins.items()))
                    cases[name].append(f"{label} {relation} {split} {twin.id!r} {twin.query!r}")
            if own:
                cases["repeated_queries"].append(f"{label} repeats {own.id!r} {own.query!r}")
            own_keys: list[Hashable] = [query, golds, *example.gold_ids]
            for key in own_keys:
                first[key].setdefault(here, example)
    return cases


def _repeated_gold(example: Example, texts: Mapping[str, str]) -> str | None:
    """Two answers proved by different documents of the same text; passages of one answer may be."""
    holders: dict[str, tuple[dict[int, None], dict[str, None]]] = defaultdict(lambda: ({}, {}))
    for number, answer in enumerate(example.golds):
        for doc in answer:
            answers, docs = holders[texts[doc]]
            answers[number] = docs[doc] = None
    for text, (answers, docs) in holders.items():
        if len(answers) > 1 and len(docs) > 1:  # then two of them differ in both
            doc, twin, *_ = docs
            return f"{example.id!r} {example.query!r}: {doc!r} and {twin!r} are {text[:60]!r}"
    return None


def _white_space(dataset: Dataset) -> list[str]:
    """Features whose share differs between golds and others (Fisher's exact test, two-sided)."""
    from scipy.stats import fisher_exact

    golds = {doc for example in dataset.examples() for doc in example.gold_ids}
    n, rest = len(golds), len(dataset.corpus) - len(golds)
    found = []
    for feature, pattern in _SURFACE.items():
        bearers = [doc for doc, text in dataset.corpus.items() if pattern.search(text)]
        a = sum(doc in golds for doc in bearers)
        b = len(bearers) - a
        p = float(fisher_exact(np.array([[a, b], [n - a, rest - b]])).pvalue)
        if p < 0.001:
            counts = f"{a:,} of {n:,} golds, {b:,} of {rest:,} other documents"
            found.append(f"{feature}: {counts} (p = {p:.1g})")
    return found
