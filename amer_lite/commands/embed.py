"""``embed``: passages → shards of vectors. Finished shards are skipped, so a killed run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from tqdm import tqdm

from amer_lite.commands import stages, task
from amer_lite.commands.config import Config, Encoder
from amer_lite.commands.task import Rankings
from amer_lite.datasets.types import Example
from amer_lite.encoders.sentence import SentenceEncoder
from amer_lite.search.shards import ShardIndex, shard_settings, write_shard
from amer_lite.storage import MANIFEST, digest_of, locked


def embed(config: Config) -> str:
    """Write what is missing of ``<folder>/embeddings``; returns what there is now in words.

    Under ``accelerate launch`` the processes share out the shards.
    """
    processes, folder = accelerator(), Path(config.folder) / "embeddings"
    # Of processes that share out the shards, one speaks for all.
    with locked(folder, 0) if processes.is_main_process else nullcontext():
        return _write(config, processes, folder)


def _write(config: Config, processes: Accelerator, folder: Path) -> str:
    settings, encoder = config.encoder, opened(config.encoder, processes.device)
    loaded = task.load(config)
    passages = loaded.passages()
    names: list[str] = []
    written = 0
    parts = iter(lambda: list(islice(passages, settings.shard)), [])
    for number, part in enumerate(tqdm(parts, "embedding", unit="shard", disable=None)):
        names.append(f"{number:05d}")
        if number % processes.num_processes != processes.process_index:
            continue
        shard, content = folder / names[-1], digest_of([(one.id, one.plain) for one in part])
        facts = {"encoder_sha256": encoder.fingerprint, "passages": content}
        made_from = config.sections("encoder") | facts
        if (old := shard_settings(shard)) is None:
            with torch.autocast(processes.device.type, torch.bfloat16, enabled=settings.autocast):
                texts = [one.plain for one in part]
                vectors = encoder.embed(texts, settings.batch_size, progress=False)
            vectors = vectors.astype(np.float16 if settings.half else np.float32)
            write_shard(shard, vectors, [passage.id for passage in part], made_from)
            written += 1
        elif changed := stages.differences(old, made_from):
            said = f"a shard of other passages or another encoder: {'; '.join(changed)}"
            raise ValueError(f"{shard}: {said}. Remove {folder}, or take a folder of its own")
    processes.wait_for_everyone()
    if not names:
        raise ValueError("data: no passages to embed; the corpus is empty")
    if extra := sorted({path.parent.name for path in folder.glob(f"*/{MANIFEST}")} - {*names}):
        raise ValueError(f"{folder}: {extra} are of a larger corpus than this one; remove {folder}")
    index = ShardIndex(folder)  # checks that ids are unique
    if processes.is_main_process:
        made_from = {"data_sha256": loaded.sha256, "encoder_sha256": encoder.fingerprint}
        stages.finish(config, "embed", passages=len(index), dim=index.dim, **made_from)
    new = f"this process wrote {written} of {len(names)} shards"
    return f"{len(index):,} passages of dimension {index.dim} in {folder}; {new}"


def accelerator() -> Accelerator:
    """The device of this process, and its place among those of ``accelerate launch``, if any."""
    # The others wait while the first process evaluates on the whole corpus.
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=12))
    return Accelerator(cpu=not torch.cuda.is_available(), kwargs_handlers=[patience])


def nearest(config: Config, index: ShardIndex, examples: Sequence[Example], k: int) -> Rankings:
    """Per question the ids of the ``k`` passages nearest to the encoder's own vector of it."""
    encoder = opened(config.encoder, accelerator().device)
    stages.require(config, "embed", encoder_sha256=encoder.fingerprint)
    texts = [example.query for example in examples]
    vectors = encoder.embed_queries(texts, config.encoder.batch_size)
    found = index.search(vectors, min(k, len(index))).rows
    return {e.id: [index.ids[row] for row in rows] for e, rows in zip(examples, found, strict=True)}


def opened(
    settings: Encoder, device: torch.device, cache: Literal[False] | None = False
) -> SentenceEncoder:
    """The encoder of a config; with the user's cache, if that is None."""
    given = settings.model_dump(include={"query_prompt", "document_prompt", "trust_remote_code"})
    return SentenceEncoder(settings.source, device=device, cache=cache, **given)
