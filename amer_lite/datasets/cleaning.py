"""What the loaders of published questions share: repairs that are reported, and answer strings.

Published splits have traps (authors' reports after arXiv 2511.02770): test questions in training,
one document as two golds, white space that only golds have, documents that answer unseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from amer_lite.datasets.report import Cases, Finding, Report
from amer_lite.datasets.splits import groups, normalise_text, split
from amer_lite.datasets.types import Dataset, Example

Answers = tuple[tuple[str, ...], ...]  # per answer the strings that name it


class Loaded(NamedTuple):
    """What a loader of questions returns; answer strings are by query id."""

    dataset: Dataset
    answers: dict[str, Answers]
    report: Report


class Asked(NamedTuple):
    """A question as it stands in its file, with any repetitions."""

    id: str
    text: str
    golds: Sequence[Sequence[str]]
    answers: Sequence[Sequence[str]]


def clean(
    name: str,
    questions: Mapping[str, Sequence[Asked]],
    texts: Mapping[str, str],
    sizes: tuple[int, float],
    seed: int,
    source: str,
    passages: Collection[str] = (),
    repairs: Cases | None = None,
) -> Loaded:
    """Repair ``questions`` and make the data set.

    The corpus holds ``passages`` and the golds of the questions that were kept, sorted by id. The
    documents of dropped questions go: they would answer kept ones without being golds. ValueError:
    bad sizes, a question id that stands twice, or a split that is left empty.

    Args:
        questions: by split; under the name ``""`` they are shared out by `splits.split`.
        texts: of documents by id, as they stand in their file.
        sizes: fewest and most golds of a question that is kept; others are ``out_of_range``.
        passages: ids of documents that stay whether they are golds or not.
        repairs: what the loader itself found.

    Returns:
        with a report of ``repairs``, what `separate` found, ``repeated_golds`` (a document as two
        golds), ``repeated_answers`` (of the same strings), ``white_space_golds`` and ``…_others``,
        made plain (a difference between the two would have told golds from the rest).
    """
    least, most = sizes
    if not 1 <= least <= most:
        raise ValueError(f"{name}: need 1 <= fewest <= most golds, got {least} and {most}")
    cases: Cases = {"out_of_range": [], "repeated_golds": [], "repeated_answers": []}
    splits: dict[str, list[Example]] = {split_name: [] for split_name in questions}
    answers: dict[str, Answers] = {}
    for split_name, asked in questions.items():
        for query, text, clusters, strings in asked:
            label = f"{query!r} {text!r}"
            golds, shared = distinct_golds(clusters)
            if not least <= len(golds) <= most:
                cases["out_of_range"].append(f"{label}: {len(golds)} golds")
                continue
            if query in answers:
                raise ValueError(f"{name}: id {query!r} in {split_name!r} stands twice")
            for doc in shared[:1]:
                cases["repeated_golds"].append(f"{label}: {doc!r} {texts[doc][:60]!r}")
            answers[query] = _distinct_answers(strings)
            if len(answers[query]) < len(strings):
                cases["repeated_answers"].append(f"{label}: {list(strings)!r:.60}")
            splits[split_name].append(Example(query, " ".join(text.split()), golds))
    kept, dropped = separate(splits)
    if "" in kept:
        kept = split(kept[""], seed=seed)
    examples = [*chain.from_iterable(kept.values())]
    used = {doc for example in examples for doc in example.gold_ids}
    corpus = {doc: " ".join(texts[doc].split()) for doc in sorted(used.union(passages))}
    cases |= {**(repairs or {}), "white_space_golds": [], "white_space_others": []}
    for doc, text in corpus.items():
        if text != texts[doc]:
            kind = "white_space_golds" if doc in used else "white_space_others"
            cases[kind].append(f"{doc!r}: {texts[doc][:60]!r}")
    counts = {
        "questions read": {split_name: len(asked) for split_name, asked in questions.items()},
        "kept": {split_name: len(part) for split_name, part in kept.items()},
    }
    findings = {kind: Finding(found, fault=False) for kind, found in (cases | dropped).items()}
    own = {example.id: answers[example.id] for example in examples}
    return Loaded(Dataset(name, corpus, kept, source), own, Report(name, counts, findings))


def separate(splits: Mapping[str, Sequence[Example]]) -> tuple[dict[str, list[Example]], Cases]:
    """Drop what makes given splits leak, and copies within a split.

    Of like examples (see `splits`) only those of the last split stay, so that a published test set
    keeps its questions. Training comes first, whatever the order.

    Returns:
        the splits, ``leaked_questions`` and ``repeated_questions`` (of equal normalised text and
        golds). ValueError if nothing is left of a split.
    """
    order = sorted(splits, key=lambda name: name != "train")
    placed = [(name, example) for name in order for example in splits[name]]
    labels = groups([example for _, example in placed])
    last = {label: name for label, (name, _) in zip(labels, placed, strict=True)}
    labelled = [*zip(labels, placed, strict=True)]
    first = {(label, name): example for label, (name, example) in reversed(labelled)}
    kept: dict[str, list[Example]] = {name: [] for name in splits}
    cases: Cases = {"repeated_questions": [], "leaked_questions": []}
    seen: dict[Hashable, Example] = {}
    for label, (name, example) in labelled:
        key = (normalise_text(example.query), frozenset(example.gold_ids))
        words = f"{name} {example.id!r} {example.query!r}"
        if name != (home := last[label]):
            twin = first[label, home]
            cases["leaked_questions"].append(f"{words} is like {home} {twin.id!r} {twin.query!r}")
        elif (twin := seen.setdefault(key, example)) is not example:
            cases["repeated_questions"].append(f"{words} repeats {twin.id!r} {twin.query!r}")
        else:
            kept[name].append(example)
    if empty := [name or "all" for name, part in kept.items() if not part]:
        raise ValueError(f"separate: no question is left in {empty}; check files and limits")
    return kept, cases


def distinct_golds(golds: Sequence[Sequence[str]]) -> tuple[list[list[str]], list[str]]:
    """Clusters without a common document, and the documents that stood in two of them.

    Such a document stays with its smallest cluster; one that keeps nothing is gone. Else the model
    would be asked to emit the document twice.
    """
    clusters = [dict.fromkeys(answer) for answer in golds]
    owner: dict[str, int] = {}
    for i in sorted(range(len(clusters)), key=lambda i: len(clusters[i])):
        for doc in clusters[i]:
            owner.setdefault(doc, i)
    kept = [[doc for doc in cluster if owner[doc] == i] for i, cluster in enumerate(clusters)]
    uses = Counter(chain.from_iterable(clusters))
    return [*filter(None, kept)], [doc for doc in owner if uses[doc] > 1]


def mentions(text: str, aliases: Sequence[str]) -> str | None:
    """The first of ``aliases`` that stands in ``text`` in whole words, both normalised, or None."""
    padded = words(text)
    return next((alias for alias in aliases if alias.strip() and words(alias) in padded), None)


def words(text: str) -> str:
    """``text`` normalised, with a space at both ends: it then contains only whole words."""
    return f" {normalise_text(text)} "


def _distinct_answers(answers: Sequence[Sequence[str]]) -> Answers:
    """Answers that differ, as normalised sets of strings; strings and answers of nothing go."""
    named = [tuple(dict.fromkeys(filter(normalise_text, aliases))) for aliases in answers]
    distinct = {frozenset(map(normalise_text, names)): names for names in named if names}
    return tuple(distinct.values())
