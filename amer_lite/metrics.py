"""Retrieval measures per query, TREC files, and paired tests.

Every measure returns one float64 per example, in the order of the examples, so that two systems can
be compared query by query. Golds are *answers*: an answer is found at the first rank that holds any
of its documents, and counts once; a later document of a found answer is not relevant again. When
every answer has one document, Recall, Precision and nDCG are those of trec_eval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amer_lite.storage import write_text
from amer_lite.types import Example, Run

Scores = NDArray[np.float64]

_CHUNK = 1 << 22  # cells of a resampling table that are in memory at a time


# --- measures -------------------------------------------------------------------------------------


def _found(
    run: Run, examples: Sequence[Example], k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """New answers per rank, (Q, width <= k) int64, and answers per query, (Q,) int64."""
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if not examples:
        raise ValueError("no examples to evaluate; is the split empty?")
    width = min(k, max(map(len, run.rankings.values()), default=0))
    new = np.zeros((len(examples), width), dtype=np.int64)
    for row, example in zip(new, examples, strict=True):
        ranking = run.rankings.get(example.id)
        if ranking is None:
            raise ValueError(
                f"the run has no ranking for query {example.id!r} ({len(run.rankings)} queries in "
                f"the run, {len(examples)} examples); search all examples, or evaluate fewer"
            )
        answers: dict[str, list[int]] = {}
        for number, answer in enumerate(example.golds):
            for doc in answer:
                answers.setdefault(doc, []).append(number)
        missing = set(range(len(example.golds)))
        for rank, doc in enumerate(ranking[:k]):
            hit = missing.intersection(answers.get(doc, ()))
            row[rank] = len(hit)
            missing -= hit
    return new, np.array([len(example.golds) for example in examples], dtype=np.int64)


def mrecall(run: Run, examples: Sequence[Example], k: int) -> Scores:
    """MRecall@k (Min et al., EMNLP 2021): 1 if all answers are found in the top k, else 0.

    A query with more than k answers needs k of them.

    Args:
        run: must rank something for the query of every example; other queries are ignored.
        examples: at least one.
        k: at least 1; shorter rankings are as if filled up with irrelevant documents.

    Returns:
        (Q,) float64 of 0 and 1, in the order of ``examples``.

    Raises:
        ValueError: k < 1, no examples, or a query that the run lacks.
    """
    new, answers = _found(run, examples, k)
    return (new.sum(axis=1) >= np.minimum(answers, k)).astype(np.float64)


def recall(run: Run, examples: Sequence[Example], k: int) -> Scores:
    """Recall@k: the share of the answers found in the top k. Arguments as for `mrecall`.

    Returns:
        (Q,) float64 in [0, 1].
    """
    new, answers = _found(run, examples, k)
    return new.sum(axis=1) / answers


def precision(run: Run, examples: Sequence[Example], k: int) -> Scores:
    """Precision@k: the share of the first k ranks that bring a new answer; see `mrecall`.

    Returns:
        (Q,) float64 in [0, 1]; the divisor is k even if fewer documents were ranked.
    """
    new, _ = _found(run, examples, k)
    return (new > 0).sum(axis=1) / k


def ndcg(run: Run, examples: Sequence[Example], k: int) -> Scores:
    """nDCG@k (Järvelin and Kekäläinen, TOIS 2002) with gain 1 for a rank that brings a new answer.

    The ideal ranking brings one at each of its first min(k, answers) ranks. Arguments as for
    `mrecall`.

    Returns:
        (Q,) float64 in [0, 1].
    """
    new, answers = _found(run, examples, k)
    discounts = 1 / np.log2(np.arange(2, max(new.shape[1], answers.max()) + 2))
    ideal = np.cumsum(discounts)[np.minimum(answers, k) - 1]
    return (new > 0) @ discounts[: new.shape[1]] / ideal


# --- TREC files -----------------------------------------------------------------------------------


def write_trec_run(path: str | Path, run: Run, tag: str) -> None:
    """Write ``query Q0 document rank score tag`` lines, atomically.

    TREC tools order by score and ignore the rank, so the scores are n, n - 1, …, 1: strictly
    decreasing, and exact in single precision.

    Raises:
        ValueError: an id or tag that is empty or has white space in it, or a query that ranks
            nothing (the format cannot hold either).
    """
    lines = []
    for query, ranking in run.rankings.items():
        if not ranking:
            raise ValueError(f"query {query!r} ranks no document: a TREC run cannot hold that")
        for position, doc in enumerate(ranking):
            fields = (_word(query), "Q0", _word(doc), position + 1, len(ranking) - position)
            lines.append(" ".join(map(str, fields)) + f" {_word(tag)}\n")
    write_text(Path(path), "".join(lines))


def read_trec_run(path: str | Path) -> Run:
    """Read a TREC run; equal scores are ordered as trec_eval does, by document id downwards.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a malformed line or a document that stands twice, with file and line number.
    """
    scored: dict[str, dict[str, float]] = {}
    for place, (query, _, doc, _, score, _) in _lines(Path(path), 6):
        documents = scored.setdefault(query, {})
        if doc in documents:
            raise ValueError(f"{place}: document {doc!r} stands twice for query {query!r}")
        documents[doc] = _number(score, float, place)
    return Run(
        {
            query: sorted(documents, key=lambda doc: (documents[doc], doc), reverse=True)
            for query, documents in scored.items()
        }
    )


def write_qrels(path: str | Path, examples: Sequence[Example]) -> None:
    """Write ``query answer document 1`` lines, atomically.

    The second column is the number of the answer from 1, as in TREC's diversity tasks; it is 0, as
    in plain qrels, for a query whose answers all have one document.

    Raises:
        ValueError: an id that is empty or has white space in it.
    """
    lines = []
    for example in examples:
        plain = all(len(answer) == 1 for answer in example.golds)
        for number, answer in enumerate(example.golds, start=1):
            for doc in answer:
                column = 0 if plain else number
                lines.append(f"{_word(example.id)} {column} {_word(doc)} 1\n")
    write_text(Path(path), "".join(lines))


def read_qrels(path: str | Path) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Read qrels as ``{query id: golds}``, the golds as `Example` takes them.

    Lines of one query with the same second column are one answer, except that 0 and Q0 make each
    document an answer of its own. Lines with a relevance of 0 or less are left out, and with them a
    query that has no others.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a malformed line, with file and line number.
    """
    golds: dict[str, dict[str, dict[str, None]]] = {}
    for place, (query, column, doc, relevance) in _lines(Path(path), 4):
        if _number(relevance, int, place) > 0:
            answer = f"document {doc}" if column in ("0", "Q0") else column
            golds.setdefault(query, {}).setdefault(answer, {})[doc] = None
    return {query: tuple(map(tuple, answers.values())) for query, answers in golds.items()}


def _word(text: str) -> str:
    if text.split() != [text]:
        raise ValueError(f"{text!r} is empty or has white space in it: TREC files cannot hold that")
    return text


def _lines(path: Path, columns: int) -> Iterator[tuple[str, list[str]]]:
    """``("file:line", fields)`` of every line that is not blank."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            fields = line.split()
            if fields and len(fields) != columns:
                raise ValueError(
                    f"{path}:{number}: expected {columns} columns, found {len(fields)}: "
                    f"{line.strip()[:80]!r}"
                )
            if fields:
                yield f"{path}:{number}", fields


def _number(text: str, kind: Callable[[str], float], place: str) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{place}: expected a finite number, found {text!r}")
    return value


# --- tests and intervals --------------------------------------------------------------------------


def mcnemar_exact(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sided p of the exact McNemar test: do two systems succeed equally often?

    Only the queries on which they differ count; under the null each of these falls to either side
    with probability 1/2.

    Args:
        a, b: (Q,) of 0 and 1, paired, such as two results of `mrecall`.

    Raises:
        ValueError: empty, of different lengths, or with a value other than 0 and 1.
    """
    from scipy.stats import binomtest

    first, second = _paired(a, b)
    for name, values in (("a", first), ("b", second)):
        if (odd := values[(values != 0) & (values != 1)]).size:
            raise ValueError(f"mcnemar_exact: {name} must hold 0 and 1 only, found {odd[0]}")
    wins, losses = int((first > second).sum()), int((first < second).sum())
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def sign_flip(a: ArrayLike, b: ArrayLike, n: int, generator: np.random.Generator) -> float:
    """Two-sided p of the paired randomisation test on the mean difference.

    Under the null a query's difference is as likely with either sign. ``n`` random sign vectors are
    drawn, and the observed one counts as one more, so that p is never 0 and the test is valid at
    any ``n`` (Phipson and Smyth, 2010).

    Args:
        a, b: (Q,) of finite numbers, paired.
        n: at least 1.

    Returns:
        p, a multiple of 1 / (n + 1).

    Raises:
        ValueError: n < 1, or arrays that are empty, not finite or of different lengths.
    """
    first, second = _paired(a, b)
    differences = first - second
    differences = differences[differences != 0]
    # Sums of the same numbers in another order must tie with the observed one.
    threshold = abs(differences.sum()) - 1e-12 * np.abs(differences).sum()
    extreme = 1
    for rows in _chunks(n, len(differences)):
        signs = generator.integers(0, 2, (rows, len(differences)), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ differences) >= threshold).sum())
    return extreme / (n + 1)


def bootstrap_mean(
    a: ArrayLike, n: int, level: float, generator: np.random.Generator
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over queries (Efron and Tibshirani, 1993).

    Args:
        a: (Q,) of finite numbers.
        n: number of resamples, at least 1.
        level: coverage, in (0, 1), such as 0.95.

    Returns:
        (low, high).

    Raises:
        ValueError: n < 1, a level out of range, or an array that is empty or not finite.
    """
    values = _checked("a", a)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    means = np.concatenate(
        [
            values[generator.integers(len(values), size=(rows, len(values)))].mean(axis=1)
            for rows in _chunks(n, len(values))
        ]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_difference(
    a: ArrayLike, b: ArrayLike, n: int, level: float, generator: np.random.Generator
) -> tuple[float, float]:
    """Percentile bootstrap interval of mean(a) - mean(b), queries resampled in pairs.

    Arguments, result and errors as for `bootstrap_mean`, and a ValueError for different lengths.
    """
    first, second = _paired(a, b)
    return bootstrap_mean(first - second, n, level, generator)


def _checked(name: str, values: ArrayLike) -> Scores:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"{name} must be a non-empty vector of per-query scores, got {array.shape}"
        )
    if (bad := np.flatnonzero(~np.isfinite(array))).size:
        raise ValueError(f"{name}[{bad[0]}] is {array[bad[0]]}; scores must be finite")
    return array


def _paired(a: ArrayLike, b: ArrayLike) -> tuple[Scores, Scores]:
    first, second = _checked("a", a), _checked("b", b)
    if len(first) != len(second):
        raise ValueError(f"a and b must be paired by query, got {len(first)} and {len(second)}")
    return first, second


def _chunks(n: int, width: int) -> Iterator[int]:
    """Row counts that sum to ``n``, each so small that rows × width cells fit in memory."""
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    step = max(1, _CHUNK // max(1, width))
    for start in range(0, n, step):
        yield min(step, n - start)
