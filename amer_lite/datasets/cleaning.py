"""What the loaders of published questions share: repairs that are reported, and answer strings.

Published splits have traps (authors' reports after arXiv 2511.02770): test questions in training,
one document as two golds, white space that only golds have, documents that answer unseen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from amer_lite.datasets.report import Finding, Report
from amer_lite.datasets.splits import groups, normalise_text, split
from amer_lite.datasets.types import Dataset, Example

Answers = tuple[tuple[str, ...], ...]  # per answer the strings that name it


class Loaded(NamedTuple):
    """What a loader of questions returns; answer strings are by query id."""

    dataset: Dataset
    answers: dict[str, Answers]
    report: Report


@dataclass(frozen=True)
class Question:
    """A question as it stands in its file, with any repetitions."""

    where: str  # file and line, in words
    id: str
    text: str
    golds: Sequence[Sequence[str]]
    answers: Sequence[Sequence[str]]


def clean(
    name: str,
    questions: Mapping[str, Sequence[Question]],
    parts: Mapping[str, tuple[str, ...]],
    sizes: tuple[int, float],
    fractions: Mapping[str, float],
    seed: int,
    source: str,
    passages: Collection[str] = (),
    repairs: Mapping[str, list[str]] | None = None,
) -> Loaded:
    """Repair ``questions`` and make the data set.

    The corpus holds ``passages`` and the golds of the questions that were kept, sorted by id. The
    documents of dropped questions go with them: they would answer kept ones without being golds.

    Args:
        questions: by split; under the name ``""`` they are shared out by `splits.split`.
        parts: per document what its text is made of, such as title and body.
        sizes: fewest and most golds of a question that is kept; others are ``out_of_range``.
        passages: ids of documents that stay whether they are golds or not.
        repairs: cases of what the loader itself found, by name.

    Returns:
        with a report of questions read and kept. Its findings, no faults any more, are ``repairs``,
        those of `separate` and: ``repeated_golds``, one document as two golds of a question;
        ``repeated_answers``, two answers of the same strings; ``white_space_golds`` and
        ``white_space_others``, documents whose white space was made plain (a difference between the
        two would have told golds from the rest).

    Raises:
        ValueError: bad sizes, a question id that stands twice, or a split that is left empty.
    """
    least, most = sizes
    if not 1 <= least <= most:
        raise ValueError(f"{name}: need 1 <= fewest <= most golds, got {least} and {most}")
    cases: dict[str, list[str]] = {"out_of_range": [], "repeated_golds": [], "repeated_answers": []}
    splits: dict[str, list[Example]] = {split_name: [] for split_name in questions}
    answers: dict[str, Answers] = {}
    for split_name, asked in questions.items():
        for question in asked:
            label = f"{question.id!r} {question.text!r}"
            golds, shared = distinct_golds(question.golds)
            if not least <= len(golds) <= most:
                cases["out_of_range"].append(f"{label}: {len(golds)} golds")
                continue
            if question.id in answers:
                raise ValueError(f"{question.where}: id {question.id!r} stands twice")
            if shared:
                text = " ".join(parts[shared[0]]).strip()
                cases["repeated_golds"].append(f"{label}: {shared[0]!r} {text[:60]!r}")
            answers[question.id] = _distinct_answers(question.answers)
            if len(answers[question.id]) < len(question.answers):
                cases["repeated_answers"].append(f"{label}: {list(question.answers)!r:.60}")
            splits[split_name].append(Example(question.id, _plain(question.text), golds))
    kept, dropped = separate(splits)
    if "" in kept:
        kept = split(kept[""], fractions, seed)
    examples = [example for part in kept.values() for example in part]
    golds_kept = {doc for example in examples for doc in example.gold_ids}
    corpus = {doc: _plain(*parts[doc]) for doc in sorted(golds_kept.union(passages))}
    odd: dict[bool, list[str]] = {True: [], False: []}
    for doc in corpus:
        if any(part != _plain(part) for part in parts[doc]):
            case = f"{doc!r}: {' + '.join(f'{part[:40]!r}' for part in parts[doc])}"
            odd[doc in golds_kept].append(case)
    cases |= {**(repairs or {}), "white_space_golds": odd[True], "white_space_others": odd[False]}
    counts = {
        what: {split_name: len(part) for split_name, part in by_split.items()}
        for what, by_split in (("questions read", questions), ("kept", kept))
    }
    findings = {n: Finding.of(found, fault=False) for n, found in (cases | dropped).items()}
    return Loaded(
        Dataset(name, corpus, kept, source),
        {example.id: answers[example.id] for example in examples},
        Report(name, counts, findings),
    )


def separate(
    splits: Mapping[str, Sequence[Example]],
) -> tuple[dict[str, list[Example]], dict[str, list[str]]]:
    """Drop what makes given splits leak, and copies within a split.

    Of like examples (see `splits`) only those of the last split stay, so that a published test set
    keeps its questions. Training comes first, whatever the order; the others stand as given.

    Returns:
        the splits, and the cases in words: ``repeated_questions`` (equal normalised text and golds,
        in one split) and ``leaked_questions``. ValueError if nothing is left of a split.
    """
    order = sorted(splits, key=lambda name: name != "train")
    placed = [(name, example) for name in order for example in splits[name]]
    numbers = groups([example for _, example in placed])
    home: dict[int, tuple[str, Example]] = {}  # group to its last split and first example there
    for number, (name, example) in zip(numbers, placed, strict=True):
        if number not in home or home[number][0] != name:
            home[number] = (name, example)
    kept: dict[str, list[Example]] = {name: [] for name in splits}
    seen: dict[tuple[str, frozenset[str]], Example] = {}
    cases: dict[str, list[str]] = {"repeated_questions": [], "leaked_questions": []}
    for number, (name, example) in zip(numbers, placed, strict=True):
        last, twin = home[number]
        key = (normalise_text(example.query), frozenset(example.gold_ids))
        label = f"{name} {example.id!r} {example.query!r}"
        if name != last:
            cases["leaked_questions"].append(f"{label} is like {last} {twin.id!r} {twin.query!r}")
        elif (first := seen.setdefault(key, example)) is not example:
            cases["repeated_questions"].append(f"{label} repeats {first.id!r} {first.query!r}")
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
    clusters = [list(dict.fromkeys(answer)) for answer in golds]
    owner: dict[str, int] = {}
    for i in sorted(range(len(clusters)), key=lambda i: len(clusters[i])):
        for doc in clusters[i]:
            owner.setdefault(doc, i)
    kept = [[doc for doc in cluster if owner[doc] == i] for i, cluster in enumerate(clusters)]
    shared = {doc for i, cluster in enumerate(clusters) for doc in cluster if owner[doc] != i}
    return [cluster for cluster in kept if cluster], [doc for doc in owner if doc in shared]


def mentions(text: str, aliases: Sequence[str]) -> str | None:
    """The first of ``aliases`` that stands in ``text`` in whole words, both normalised, or None."""
    padded = words(text)
    return next((alias for alias in aliases if alias.strip() and words(alias) in padded), None)


def words(text: str) -> str:
    """``text`` normalised, with a space at both ends: it then contains only whole words."""
    return f" {normalise_text(text)} "


def false_negatives(
    dataset: Dataset, answers: Mapping[str, Answers], sampled: Mapping[str, Sequence[str]]
) -> tuple[float, Finding]:
    """How many of the documents taken as negatives hold an answer to their query?

    Strings are compared as in `mentions`; short answers ("2", "the king") also match by accident.

    Args:
        dataset: its golds are no negatives and are passed over.
        answers: per query id the answer strings, as the loaders return them.
        sampled: per query id document ids: a random sample, mined negatives, or a ranking.

    Returns:
        the share of the negatives that hold an answer, and the cases.

    Raises:
        ValueError: an unknown query or document, or no negatives at all.
    """
    examples = {example.id: example for example in dataset.examples()}
    cases: list[str] = []
    total = 0
    for query, docs in sampled.items():
        if query not in examples or query not in answers:
            raise ValueError(f"false_negatives: query {query!r} is not in data set and answers")
        example, aliases = examples[query], [a for names in answers[query] for a in names]
        for doc in dict.fromkeys(docs):
            if doc not in dataset.corpus:
                raise ValueError(f"false_negatives: {doc!r} of {query!r} is not in the corpus")
            if doc not in example.gold_ids:
                total += 1
                if alias := mentions(dataset.corpus[doc], aliases):
                    cases.append(f"{query!r} {example.query!r}: {doc!r} holds {alias!r}")
    if not total:
        raise ValueError("false_negatives: no negatives; sample documents that are not golds")
    return len(cases) / total, Finding.of(cases)


def _plain(*parts: str) -> str:
    return " ".join(" ".join(parts).split())


def _distinct_answers(answers: Sequence[Sequence[str]]) -> Answers:
    """Answers that differ, as normalised sets of strings; strings and answers of nothing go."""
    distinct: dict[frozenset[str], tuple[str, ...]] = {}
    for aliases in answers:
        named = tuple(dict.fromkeys(alias for alias in aliases if normalise_text(alias)))
        distinct[frozenset(map(normalise_text, named))] = named
    return tuple(named for named in distinct.values() if named)
