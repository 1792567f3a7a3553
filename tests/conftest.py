"""Every test runs on one thread (two shared cores are slower than one) and never on a network."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for what a test starts, too

import pytest
import torch
from amer_book.worlds.wordnet_files import Nouns, fetch
from hypothesis import settings

torch.set_num_threads(1)

# A busy machine is no error, and a run of CI can be repeated.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("suite")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def wordnet_nouns() -> Nouns:
    """The real WordNet, read once, if this machine has it."""
    try:
        return fetch()
    except FileNotFoundError as error:
        pytest.skip(str(error))
