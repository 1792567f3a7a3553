"""What the loaders of published questions share: repairs that are reported, and answer strings.

Published splits have traps (authors' reports after arXiv 2511.02770): test questions in training,
one document as two golds, white space that only golds have, documents that answer unseen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from amer_lite.datasets.audit import Finding
from amer_lite.datasets.splits import groups, normalise, split
from amer_lite.datasets.types import Dataset, Example

Answers = tuple[tuple[str, ...], ...]  # per answer the strings that name it


@dataclass(frozen=True)
class Cleaning:
    """What a loader left out or repaired; ``print`` it for a table.

    Attributes:
        name: of the data set.
        read: questions in the files, by split.
        kept: questions in the data set, by split.
        repairs: finding by name. ``out_of_range``: questions left out for the number of their
            golds. ``white_space_golds``, ``white_space_others``: documents whose white space was
            made plain; a difference between the two would have told golds from the rest.
            ``repeated_golds``: questions that had one document as two golds. ``repeated_answers``:
            questions two of whose answers are the same strings. ``repeated_questions``: questions
            dropped as copies (normalised text and golds) of an earlier one in their split.
            ``leaked_questions``: questions dropped because a later split has one like them.
    """

    name: str
    read: Mapping[str, int]
    kept: Mapping[str, int]
    repairs: Mapping[str, Finding]

    def __str__(self) -> str:
        read, kept = (
            ", ".join(f"{split_name or 'all'} {count:,}" for split_name, count in counts.items())
            for counts in (self.read, self.kept)
        )
        lines = [f"{self.name}: questions read: {read}; kept: {kept}"]
        for name, finding in self.repairs.items():
            lines += finding.rows(name)
        return "\n".join(lines)


class Loaded(NamedTuple):
    """What a loader of questions returns: the data, the answer strings by query id, the repairs."""

    dataset: Dataset
    answers: dict[str, Answers]
    cleaning: Cleaning


@dataclass(frozen=True)
class Question:
    """A question as it stands in its file, ``where``; golds and answers may repeat themselves."""

    where: str
    id: str
    text: str
    golds: Sequence[Sequence[str]]
    answers: Sequence[Sequence[str]]


def clean(
    *,
    name: str,
    questions: Mapping[str, Sequence[Question]],
    parts: Mapping[str, tuple[str, ...]],
    passages: Collection[str],
    sizes: tuple[int, float],
    repairs: Mapping[str, Sequence[str]],
    fractions: Mapping[str, float],
    seed: int,
    source: str,
) -> Loaded:
    """Repair ``questions`` and make the data set.

    The corpus holds ``passages`` and the golds of the questions that were kept, sorted by id. The
    documents of dropped questions go with them: they would answer kept ones without being golds.

    Args:
        name: of the data set.
        questions: by split; under the name ``""`` they are shared out by `splits.split`.
        parts: per document what its text is made of, such as title and body.
        passages: ids of documents that stay whether they are golds or not.
        sizes: fewest and most golds of a question that is kept.
        repairs: cases of what the loader itself found, by name.
        fractions, seed: see `splits.split`.
        source: of the data set.

    Raises:
        ValueError: a question id that stands twice, or a split that is left empty.
    """
    cases: dict[str, list[str]] = {
        "out_of_range": [],
        "repeated_golds": [],
        "repeated_answers": [],
    }
    splits: dict[str, list[Example]] = {}
    answers: dict[str, Answers] = {}
    for split_name, asked in questions.items():
        splits[split_name] = []
        for question in asked:
            label = f"{question.id!r} {question.text!r}"
            golds, shared = distinct_golds(question.golds)
            if not sizes[0] <= len(golds) <= sizes[1]:
                cases["out_of_range"].append(f"{label}: {len(golds)} golds")
                continue
            if question.id in answers:
                raise ValueError(
                    f"{question.where}: id {question.id!r} stands twice; rename or drop one"
                )
            if shared:
                text = " ".join(parts[shared[0]]).strip()
                cases["repeated_golds"].append(f"{label}: {shared[0]!r} {text[:60]!r}")
            answers[question.id] = _distinct_answers(question.answers)
            if len(answers[question.id]) < len(question.answers):
                cases["repeated_answers"].append(f"{label}: {list(question.answers)!r:.60}")
            splits[split_name].append(Example(question.id, " ".join(question.text.split()), golds))
    kept, dropped = separate(splits)
    if "" in kept:
        kept = split(kept[""], fractions, seed)
    golds_kept = {doc for part in kept.values() for e in part for doc in e.gold_ids}
    corpus = {doc: _plain(*parts[doc]) for doc in sorted(golds_kept.union(passages))}
    odd: dict[bool, list[str]] = {True: [], False: []}
    for doc in corpus:
        if any(part != _plain(part) for part in parts[doc]):
            odd[doc in golds_kept].append(
                f"{doc!r}: {' + '.join(f'{p[:40]!r}' for p in parts[doc])}"
            )
    found = {**repairs, "white_space_golds": odd[True], "white_space_others": odd[False]}
    return Loaded(
        Dataset(name, corpus, kept, source),
        {example.id: answers[example.id] for part in kept.values() for example in part},
        Cleaning(
            name,
            {split_name: len(asked) for split_name, asked in questions.items()},
            {split_name: len(part) for split_name, part in kept.items()},
            {what: Finding.of(those) for what, those in {**cases, **found, **dropped}.items()},
        ),
    )


def separate(
    splits: Mapping[str, Sequence[Example]],
) -> tuple[dict[str, list[Example]], dict[str, list[str]]]:
    """Drop what makes given splits leak, and copies within a split.

    Of like examples (see `splits`) only those of the last split stay, so that a published test set
    keeps its questions. Training comes first, whatever the order; the others stand as given.

    Returns:
        the splits, and the cases in words under ``repeated_questions`` and ``leaked_questions``.

    Raises:
        ValueError: nothing is left of a split.
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
    repeated: list[str] = []
    leaked: list[str] = []
    for number, (name, example) in zip(numbers, placed, strict=True):
        last, twin = home[number]
        key = (normalise(example.query), frozenset(example.gold_ids))
        label = f"{name} {example.id!r} {example.query!r}"
        if name != last:
            leaked.append(f"{label} is like {last} {twin.id!r} {twin.query!r}")
        elif key in seen:
            repeated.append(f"{label} repeats {seen[key].id!r} {seen[key].query!r}")
        else:
            seen[key] = example
            kept[name].append(example)
    if empty := [name or "all" for name, part in kept.items() if not part]:
        raise ValueError(f"separate: no question is left in {empty}; check files and limits")
    return kept, {"repeated_questions": repeated, "leaked_questions": leaked}


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
    return f" {normalise(text)} "


def false_negatives(
    dataset: Dataset, answers: Mapping[str, Answers], sampled: Mapping[str, Sequence[str]]
) -> tuple[float, Finding]:
    """How many of the documents taken as negatives hold an answer to their query?

    Strings are compared as in `mentions`; short answers ("2", "the king") also match by accident,
    so that the share is an upper bound for those and the cases are worth a look.

    Args:
        dataset: its golds are no negatives and are passed over.
        answers: per query id the answer strings, as the loaders return them.
        sampled: per query id document ids: a random sample, mined negatives, or a ranking.

    Returns:
        the share of the negatives that hold an answer, and the cases.

    Raises:
        ValueError: a query or document that the data set does not have, a query without answers,
            or no negatives at all.
    """
    examples = {example.id: example for example in dataset.examples()}
    cases: list[str] = []
    negatives = 0
    for query, docs in sampled.items():
        if query not in examples or query not in answers:
            missing = "the data set" if query not in examples else "the answers"
            raise ValueError(f"false_negatives: query {query!r} is not in {missing}")
        for doc in dict.fromkeys(docs):
            if doc not in dataset.corpus:
                raise ValueError(
                    f"false_negatives: {doc!r} of query {query!r} is not in the corpus"
                )
            if doc in examples[query].gold_ids:
                continue
            negatives += 1
            every = [alias for aliases in answers[query] for alias in aliases]
            if alias := mentions(dataset.corpus[doc], every):
                cases.append(f"{query!r} {examples[query].query!r}: {doc!r} holds {alias!r}")
    if not negatives:
        raise ValueError("false_negatives: no negatives; sample documents that are not golds")
    return len(cases) / negatives, Finding.of(cases)


def _plain(*parts: str) -> str:
    return " ".join(" ".join(parts).split())


def _distinct_answers(answers: Sequence[Sequence[str]]) -> Answers:
    """Answers that differ, as normalised sets of strings; strings and answers of nothing go."""
    named = [[alias for alias in aliases if normalise(alias)] for aliases in answers]
    distinct = {
        frozenset(map(normalise, aliases)): tuple(dict.fromkeys(aliases)) for aliases in named
    }
    return tuple(aliases for aliases in distinct.values() if aliases)
