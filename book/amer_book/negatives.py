"""Documents that are taken as negatives, and answer the query all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from amer_lite.datasets.cleaning import Answers, mentions
from amer_lite.datasets.report import Finding
from amer_lite.datasets.types import Dataset


def false_negatives(
    dataset: Dataset, answers: Mapping[str, Answers], sampled: Mapping[str, Sequence[str]]
) -> tuple[float, Finding]:
    """How many of the documents taken as negatives hold an answer to their query?

    Strings are compared as in `mentions`; short answers ("2", "the king") also match by accident.

    Args:
        answers: per query id the answer strings, as the loaders return them.
        sampled: per query id document ids, such as mined negatives; golds are passed over.

    Returns:
        the share of the negatives that hold an answer, and the cases.

    Raises:
        ValueError: an unknown query or document, or no negatives at all.
    """
    examples = {example.id: example for example in dataset.examples() if example.id in answers}
    negatives = []
    for query, doc in dict.fromkeys(
        (query, doc) for query, docs in sampled.items() for doc in docs
    ):
        if query not in examples or doc not in dataset.corpus:
            raise ValueError(f"false_negatives: query {query!r} or document {doc!r} is unknown")
        if doc not in examples[query].gold_ids:
            aliases = [*chain.from_iterable(answers[query])]
            negatives.append((examples[query], doc, mentions(dataset.corpus[doc], aliases)))
    if not negatives:
        raise ValueError("false_negatives: no negatives; sample documents that are not golds")
    cases = [
        f"{e.id!r} {e.query!r}: {doc!r} holds {alias!r}" for e, doc, alias in negatives if alias
    ]
    return len(cases) / len(negatives), Finding(cases)
