"""``embed``: passages → shards of vectors. Finished shards are skipped, so a killed run goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from amer_lite.commands import stages, tasks
from amer_lite.commands.config import Config
from amer_lite.commands.corpus import Passage
from amer_lite.commands.device import Device
from amer_lite.encoders.sentence import SentenceEncoder
from amer_lite.search.shards import ShardIndex, shard_settings, write_shard


def embed(config: Config) -> str:
    """Write what is missing of ``<folder>/embeddings``; returns what there is now in words.

    Under ``accelerate launch`` every process takes every so many-th shard.

    Raises:
        FileNotFoundError, ValueError: bad passages (file and line are named), an id that stands
            twice, or a folder with shards of another encoder or corpus.
    """
    task, device = tasks.load(config), Device()
    encoder = open_encoder(config, device)
    folder = Path(config.folder) / "embeddings"
    names: list[str] = []
    written = 0
    parts = _parts(task.passages(), config.encoder.shard)
    for part in tqdm(parts, "embedding", unit="shard", disable=None):  # None: only on a terminal
        names.append(f"{len(names):05d}")
        if (len(names) - 1) % device.processes != device.rank:
            continue
        place = folder / names[-1]
        settings = {**config.sections("encoder"), "passages": _digest(part)}
        if (old := shard_settings(place)) is None:
            ids = [passage.id for passage in part]
            write_shard(place, _vectors(encoder, part, config, device), ids, settings)
            written += 1
        elif changed := stages.differences(old, settings):
            raise ValueError(
                f"{place}: a shard of other passages or another encoder: {'; '.join(changed)}. "
                f"Remove {folder}, or give the new config a folder of its own"
            )
    device.wait()
    if extra := sorted({path.name for path in folder.iterdir()} - {*names}):
        raise ValueError(f"{folder}: {extra} are of a larger corpus than this one; remove {folder}")
    index = ShardIndex(folder)  # checks that ids are unique
    total = len(index)
    if device.rank == 0:
        stages.finish(config, "embed", passages=total, dim=index.dim)
    new = f"{written} of {len(names)} shards new"
    if device.processes > 1:
        new += " from this process"
    return f"{total:,} passages of dimension {index.dim} in {folder}: {new}"


def open_encoder(config: Config, device: Device) -> SentenceEncoder:
    """The document encoder, without a cache of its own."""
    settings = config.encoder
    return SentenceEncoder(
        settings.name,
        device=device.name,
        cache=False,
        trust_remote_code=settings.trust_remote_code,
    )


def _parts(passages: Iterator[Passage], size: int) -> Iterator[list[Passage]]:
    while part := list(islice(passages, size)):
        yield part


def _digest(part: list[Passage]) -> str:
    digest = hashlib.sha256()
    for passage in part:
        digest.update(f"{passage.id}\0{passage.plain}\0".encode())
    return digest.hexdigest()


def _vectors(
    encoder: SentenceEncoder, part: list[Passage], config: Config, device: Device
) -> np.ndarray[Any, Any]:
    texts = [passage.plain for passage in part]
    with torch.autocast(device.kind, torch.bfloat16, enabled=config.encoder.autocast):
        vectors = encoder.embed(texts, config.encoder.batch_size, progress=False)
    return vectors.astype(np.float16) if config.encoder.half else vectors
