"""A claim of the text: what its message says, and the switch for those who try something else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from amer_book.claims import claim, warn


@pytest.fixture(autouse=True)
def no_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMER_LITE_CLAIMS", "")  # and what a test sets is undone


def test_a_claim_that_holds_says_nothing() -> None:
    claim("one is less than two", 1 < 2)
    claim("all", np.array([True]).all(), worst=0)


def test_a_claim_that_fails_says_what_the_text_says_and_what_was_found() -> None:
    with pytest.raises(AssertionError) as failed:
        claim("half are found", False, share=torch.tensor(1 / 3), best=np.float64(2), names=["a"])
    text, found, reason = str(failed.value).splitlines()
    assert text == "The text says: half are found."
    assert found == "Found: share = 0.3333, best = 2, names = ['a']."
    assert reason == (
        "If you changed a setting above, that may be the reason. "
        "To go on all the same, run: amer_book.claims.warn()"
    )


def test_the_switch_makes_a_warning_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    warn()
    with pytest.warns(UserWarning, match=r"half are found\.\nFound: share = 0\.3\.\n") as caught:
        claim("half are found", False, share=0.3)
    assert caught[0].filename == __file__
    warn(False)
    with pytest.raises(AssertionError):
        claim("half are found", False)
    monkeypatch.setenv("AMER_LITE_CLAIMS", "warn")
    with pytest.warns(UserWarning, match="Found: that it does not hold"):
        claim("half are found", False)


def test_a_wrong_switch_and_an_empty_text_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="empty text"):
        claim(" ", True)
    monkeypatch.setenv("AMER_LITE_CLAIMS", "wran")
    with pytest.raises(ValueError, match="AMER_LITE_CLAIMS is 'wran'; expected raise or warn"):
        claim("anything", True)
