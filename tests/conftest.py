"""Every test runs on one thread (two shared cores are slower than one) and never on a network."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
from hypothesis import settings

from amer_lite import Dataset, SentenceEncoder
from amer_lite.datasets import wordnet

torch.set_num_threads(1)

# A busy machine is no error, and a run of CI can be repeated.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("suite")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    """The sentence encoder of the book; it computes everything anew."""
    return SentenceEncoder(cache=False)


@pytest.fixture(scope="session")
def words() -> Dataset:
    """WordNet's ambiguous nouns among 1,000 definitions."""
    return wordnet.load(documents=1_000)
