"""Both sides trained: documents that move, beside a model of the query side.

What stands for the documents is a function from rows (…) int64 to unit vectors (…, d): frozen
embeddings are their ``__getitem__``, the modules here learn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amer_lite import AMER, TrainConfig, TrainData
from amer_lite.encoders.sentence import DEFAULT, open_sentence_model
from amer_lite.model.language_model import LoRA, add_adapters
from amer_lite.training.data import Batch, Batches
from amer_lite.training.matching import mixture_info_nce

Documents = Callable[[Tensor], Tensor]
Loss = Callable[..., Tensor]  # vectors, log weights, golds, mask, and the options of InfoNCE


class DocumentMap(nn.Module):
    """One small network for all documents, over frozen embeddings (N, d); at first the identity."""

    def __init__(self, embeddings: Tensor, width: int = 192) -> None:
        super().__init__()
        dim = embeddings.shape[1]
        self.register_buffer("embeddings", embeddings, persistent=False)
        self.inner, self.outer = nn.Linear(dim, width), nn.Linear(width, dim, bias=False)
        nn.init.zeros_(self.outer.weight)

    def forward(self, rows: Tensor) -> Tensor:
        documents = self.get_buffer("embeddings")[rows]
        return F.normalize(documents + self.outer(F.gelu(self.inner(documents))), dim=-1)


class DocumentTable(nn.Module):
    """A vector for each document, free to go where it is pulled; at first its embedding."""

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        self.vectors = nn.Parameter(embeddings.clone())

    def forward(self, rows: Tensor) -> Tensor:
        return F.normalize(self.vectors[rows], dim=-1)


class DocumentEncoder(nn.Module):
    """MiniLM, frozen, with trained adapters: it reads the texts anew; at first the encoder.

    With gradients it computes in bfloat16, in nearly half the time, and else in float32. There is
    no dropout.
    """

    ids: Tensor
    mask: Tensor

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__()
        model = open_sentence_model()
        sizes: dict[str, Any] = {"truncation": True, "max_length": model.max_seq_length}
        tokens = model.tokenizer(list(texts), padding=True, return_tensors="pt", **sizes)
        self.register_buffer("ids", tokens["input_ids"], persistent=False)
        self.register_buffer("mask", tokens["attention_mask"], persistent=False)
        self.body = model[0].auto_model
        self.body.set_attn_implementation("eager")  # for short texts the fastest backwards
        add_adapters(self.body, LoRA(DEFAULT, targets=("query", "value")))

    def forward(self, rows: Tensor) -> Tensor:
        distinct, place = rows.unique(return_inverse=True)
        order = self.mask[distinct].sum(1).argsort()  # texts of one length need no padding
        embeddings = torch.cat([self._embed(part) for part in distinct[order].split(32)])
        return embeddings[order.argsort()[place]]

    def _embed(self, rows: Tensor) -> Tensor:
        length = int(self.mask[rows].sum(1).max())
        ids, mask = self.ids[rows, :length], self.mask[rows, :length]
        with torch.autocast("cpu", torch.bfloat16, enabled=torch.is_grad_enabled()):
            states = self.body(input_ids=ids, attention_mask=mask).last_hidden_state
        return F.normalize((states.float() * mask[..., None]).sum(1), dim=-1)  # as of the mean


def fit_both(
    model: AMER,
    documents: Documents,
    data: TrainData,
    config: TrainConfig,
    watch: Callable[[int], None] = lambda step: None,
    loss: Loss = mixture_info_nce,
) -> None:
    """Train in place; what is worth keeping of the weights is the caller's to keep.

    Golds and negatives are embedded anew in every step, with gradients: what is contrasted is
    never stale.

    Args:
        documents: trained beside the model if it is a module, else left as it is.
        config: of batches, negatives, schedule, temperature, ``masked`` and seed. Feedback is the
            prediction; ``loss`` and ``pairing`` are not read.
        watch: called with the number of steps done, before the first and at every evaluation.
        loss: called like :func:`mixture_info_nce`, which for one vector is the usual InfoNCE.
    """
    batches = Batches(data, config)
    parts = [part for part in (model, documents) if isinstance(part, nn.Module)]
    weights = [w for part in parts for w in part.parameters() if w.requires_grad]
    optimizer = torch.optim.AdamW(weights, betas=(0.9, 0.98), weight_decay=config.weight_decay)
    warm = max(1, round(config.warmup * config.steps))
    watch(0)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        for step in range(config.steps):
            left = (config.steps - step) / max(1, config.steps - warm)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * min((step + 1) / warm, left)
            ((_, batch),) = batches.parts(step, 0, 1)
            optimizer.zero_grad()
            _loss(model.train(), documents, batch, config, loss).backward()
            nn.utils.clip_grad_norm_(weights, config.max_grad_norm)
            optimizer.step()
            if (step + 1) % config.evaluate_every == 0 or step + 1 == config.steps:
                watch(step + 1)


def _loss(
    model: AMER, documents: Documents, batch: Batch, config: TrainConfig, loss: Loss
) -> Tensor:
    emission = model.emit(batch.prefix, m=config.m, check=False)
    options: dict[str, Any] = {"masked": config.masked, "temperature": config.temperature}
    if batch.negatives is not None:
        drawn = batch.negatives.unique()
        options |= {"negatives": documents(drawn), "negative_ids": drawn}
    return loss(*emission, documents(batch.rows), batch.mask, gold_ids=batch.rows, **options)
