"""Opening published weights: out of an installed package, a local folder, or a model hub."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from torch import nn

from amer_lite.model.weights import add_weights
from amer_lite.storage import sha256

# Read when huggingface_hub is first imported: without a network, fail instead of hanging.
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "10")

T = TypeVar("T")


def packaged(package: str, file: str, digest: str) -> Path | None:
    """A file inside an installed package, which is not imported; None without the package.

    ValueError if the file's sha256 is not ``digest``.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / file
    if (found := sha256(path)) != digest:
        raise ValueError(
            f"{path}: sha256 {found}, expected {digest}; install {package.replace('_', '-')} again"
        )
    return path


def open_model(load: Callable[..., T], name: str) -> T:
    """What ``load(name, local_files_only=…)`` returns: from this machine, else from the hub.

    ``name`` is a folder, or ``owner/model`` as the hub knows it. FileNotFoundError if it is not on
    this machine and cannot be fetched.
    """
    with quiet():
        try:
            return load(name, local_files_only=True)
        except (OSError, ValueError) as local:
            if Path(name).is_dir():
                raise FileNotFoundError(f"{name}: not a complete saved model: {local}") from local
        import huggingface_hub

        try:
            # One question with a time limit: the client itself would retry for a minute.
            huggingface_hub.HfApi().model_info(name, timeout=5)
            return load(name, local_files_only=False)
        except Exception as error:  # the client's own errors differ from version to version
            raise FileNotFoundError(
                f"model {name!r} is not on this machine and cannot be fetched "
                f"({type(error).__name__}: {error}); check the name, connect to the network, unset "
                f"HF_HUB_OFFLINE if it is set, or give the path of a saved model"
            ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars, one per weight: noise on a page."""
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()


def fingerprint(model: nn.Module, *parts: str) -> str:
    """Digest of a model's modules and weights, and of whatever else decides what it computes."""
    digest = hashlib.sha256(repr(model).encode())
    add_weights(digest, sorted(model.state_dict().items()))
    for part in parts:
        digest.update(part.encode())
    return digest.hexdigest()
