"""Opening published weights: out of an installed package, a local folder, or a model hub."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from amer_lite.model.weights import add_weights
from amer_lite.storage import sha256

# Read when huggingface_hub is first imported: without a network, fail instead of hanging.
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "10")

T = TypeVar("T")
_OF_ITS_FILE = {"_name_or_path", "transformers_version"}


def packaged(package: str, file: str, digest: str) -> Path | None:
    """A file inside an installed package, which is not imported; None without the package.

    ValueError if the file's sha256 is not ``digest``.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / file
    if (found := sha256(path)) != digest:
        remedy = f"install {package.replace('_', '-')} again"
        raise ValueError(f"{path}: sha256 {found}, expected {digest}; {remedy}")
    return path


def open_model(load: Callable[..., T], name: str) -> T:
    """What ``load(name, local_files_only=…)`` returns: from this machine, else from the hub.

    ``name`` is a folder, ``owner/model`` as the hub knows it, or ``owner/model@revision``.
    FileNotFoundError: it is not on this machine and cannot be fetched. ValueError: it is damaged,
    or brings code of its own that is not trusted.
    """
    name, revision = split_name(name)
    load = partial(load, name, **({"revision": revision} if revision else {}))
    with quiet():
        try:
            return load(local_files_only=True)
        except Exception as error:  # each format of weights has errors of its own
            local = error
        if "trust_remote_code" in str(local):
            remedy = (
                "a sentence encoder runs it with trust_remote_code, of a revision you have read"
            )
            raise ValueError(f"model {name!r} needs code of its own; {remedy}") from local
        missing = isinstance(local, OSError | ValueError)
        if Path(name).is_dir() or not missing:
            kind = FileNotFoundError if missing else ValueError
            raise kind(f"{name}: not a complete saved model: {local}") from local
        import huggingface_hub

        try:
            # One question with a time limit: the client itself would retry for a minute.
            huggingface_hub.HfApi().model_info(name, revision=revision, timeout=5)
            return load(local_files_only=False)
        except Exception as error:  # the client's own errors differ from version to version
            raise FileNotFoundError(
                f"model {name!r} is not on this machine ({' '.join(str(local).split())}) and "
                f"cannot be fetched ({error}); check its name, connect to the network, unset "
                f"HF_HUB_OFFLINE, or give a saved model's path"
            ) from error


def split_name(name: str) -> tuple[str, str | None]:
    """A model's ``owner/model@revision`` in two parts; a folder is one, whatever it is called."""
    plain, at, revision = name.rpartition("@")
    return (plain, revision) if at and not Path(name).exists() else (name, None)


def check_trusted(name: str) -> None:
    """Raise ValueError unless a model's own code is that of a folder, or of one commit."""
    from transformers import PretrainedConfig

    plain, revision = split_name(name)
    if not Path(plain).is_dir() and not re.fullmatch("[0-9a-f]{40}", revision or ""):
        wanted = "a revision, the 40 digits of the commit whose code you have read"
        raise ValueError(f"trust_remote_code: {plain!r} needs {wanted}")
    config, _ = open_model(PretrainedConfig.get_config_dict, name)
    homes = re.findall('"([^"]+)--', json.dumps(config.get("auto_map")))
    if foreign := {*homes} - {plain}:
        said = f"its code lies in {sorted(foreign)}, where no revision pins it"
        raise ValueError(f"{plain}: {said}; put it beside the model in a folder of your own")


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


def fingerprint(model: nn.Module, tokenizer: Any, *parts: str) -> str:
    """Digest of a model's modules, settings, weights and tokenizer, and of what else decides.

    It does not depend on where the model lies.
    """
    said: list[Any] = [repr(model), *parts]
    for module in model.modules():
        if (code := type(module).__module__).startswith("transformers_modules"):
            said.append(code)  # fetched code: this names its commit
        for known in ("config", "get_config_dict"):  # of transformers, of sentence-transformers
            found = getattr(module, known, {})
            settings = found() if callable(found) else getattr(found, "to_dict", dict)()
            said.append({name: settings[name] for name in settings if name not in _OF_ITS_FILE})
    said.append(tokenizer_rules(tokenizer))
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode())
    add_weights(digest, sorted(model.state_dict().items()))
    return digest.hexdigest()


def tokenizer_rules(tokenizer: Any) -> list[Any]:
    """All that decides which tokens a text has."""
    rules = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if hasattr(rules, "to_str"):  # with padding and truncation as the last call left them
        rules = json.loads(rules.to_str()) | {"padding": None, "truncation": None}
    else:
        rules = tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else None
    place = getattr(tokenizer, "name_or_path", None)
    said = "" if place is None else repr(tokenizer).replace(repr(place), "")
    return [rules, said, getattr(tokenizer, "chat_template", None)]
