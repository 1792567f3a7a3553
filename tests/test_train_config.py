"""What settings and training data must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.test_training import CONFIG, DATA


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda new: new(CONFIG, steps=0), r"steps\n.*greater than 0.*input_value=0"),
        (lambda new: new(CONFIG, weight_decay=float("nan")), r"weight_decay\n.*finite number"),
        (lambda new: new(CONFIG, learning_rate=float("inf")), r"learning_rate\n.*finite number"),
        (
            lambda new: new(CONFIG, temperature="1"),
            r"temperature\n.*neither an integer nor a float",
        ),
        (lambda new: new(CONFIG, m=True), r"m\n.*neither an integer nor a float"),
        (lambda new: new(CONFIG, masked="no"), r"masked\n.*valid boolean"),
        (lambda new: new(CONFIG, seed=-1), r"seed\n.*greater than or equal to 0"),
        (lambda new: new(CONFIG, seed=2**31), r"seed\n.*less than 2147483648"),
        (lambda new: new(CONFIG, warmup=1.5), r"warmup\n.*less than or equal to 1"),
        (lambda new: new(CONFIG, pairing="best"), r"pairing\n.*'hungarian'.*input_value='best'"),
        (lambda new: new(CONFIG, feedback="best"), r"feedback\n.*'predicted'"),
        (lambda new: new(CONFIG, autocast="float16"), r"autocast\n.*'bfloat16'"),
        (lambda new: new(CONFIG, m=1, anchored=True), "anchored needs m ≥ 2, got m=1"),
        (lambda new: new(CONFIG, accumulate=13), "a batch of 12 has no 13 parts"),
        (lambda new: new(CONFIG, warp=9), r"warp\n"),
        (lambda new: new(DATA, golds=DATA.golds[1:]), "30 queries, 29 gold sets"),
        (lambda new: new(DATA, golds=[[0]] * 29 + [[]]), r"query 29 has gold rows \[\]"),
        (lambda new: new(DATA, golds=[[0]] * 29 + [[3, 3]]), r"query 29 has gold rows \[3, 3\]"),
        (lambda new: new(DATA, golds=[[0]] * 29 + [[60]]), r"query 29 .*\[60\].* 60 documents"),
        (lambda new: new(DATA, golds=[[0]] * 29 + ["12"]), "query 29 has gold rows 12"),
        (lambda new: new(DATA, golds=[[0]] * 29 + [[True]]), r"query 29 has gold rows \[True\]"),
        (lambda new: new(DATA, golds=[[0]] * 29 + [[1.0]]), r"query 29 has gold rows \[1.0\]"),
        (lambda new: new(DATA, documents=DATA.documents.numpy()), "documents: .*got ndarray"),
        (lambda new: new(DATA, documents=DATA.documents / 0), "documents: NaN or infinite"),
        (lambda new: new(DATA, documents=DATA.documents.double()), "documents: expected .*32"),
    ],
)
def test_bad_settings_and_data_are_named(call: Callable[[Any], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(replace)
