"""Every writer, killed at random moments: the old version or the new one, and nothing left."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
import warnings
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from amer_lite.model.amer import AMER, AMERConfig
from amer_lite.model.decoder import DecoderConfig
from amer_lite.search.faiss import FaissIndex
from amer_lite.search.shards import ShardIndex, shard_settings, write_shard
from amer_lite.storage import load_bundle, write_text
from amer_lite.training import checkpoint

MODEL = AMER(AMERConfig(8, decoder=DecoderConfig(state_dim=8, width=16, layers=1, heads=2)))
VECTORS = np.eye(200, 64, dtype=np.float32) + np.eye(200, 64, -64, dtype=np.float32)
VECTORS[128:, 0] = 1


def text(folder: Path, n: int) -> None:
    write_text(folder / "x.txt", f"{n} " * 100_000)


def text_back(folder: Path) -> int:
    (n,) = set((folder / "x.txt").read_text().split())
    return int(n)


def index(folder: Path, n: int) -> None:
    one = FaissIndex(64)
    one.add(VECTORS, [f"{n}-{row}" for row in range(200)])
    one.save(folder)


def shard(folder: Path, n: int) -> None:
    write_shard(folder / "0", VECTORS, [f"{n}-{row}" for row in range(200)], {"n": n})


def shard_back(folder: Path) -> int:
    (n,) = {int(name.split("-")[0]) for name in ShardIndex(folder).ids}
    assert shard_settings(folder / "0") == {"n": n}
    return n


def model(folder: Path, n: int) -> None:
    MODEL.load_state_dict({name: torch.full_like(v, n) for name, v in MODEL.state_dict().items()})
    MODEL.save(folder)


def run(folder: Path, n: int) -> None:
    optimizer = torch.optim.AdamW(MODEL.parameters())
    part = {"w": torch.full((10_000,), float(n))}
    checkpoint.save(folder, {"n": n}, MODEL, optimizer, [], part)


def run_back(folder: Path) -> int:
    config, paths = load_bundle(folder, "amer-lite/training-2")
    assert (load_file(paths["best.safetensors"])["w"] == config["run"]["n"]).all()
    return config["run"]["n"]


WRITERS: dict[str, tuple[Callable[[Path, int], None], Callable[[Path], int]]] = {
    "text": (text, text_back),
    "index": (index, lambda folder: int(FaissIndex.load(folder).ids[7].split("-")[0])),
    "shard": (shard, shard_back),
    "model": (model, lambda folder: int(AMER.load(folder).output_projection.weight[0, 0])),
    "run": (run, run_back),
}


def child(act: Callable[[], object]) -> int:
    """The process id of a child that acts, then ends with status 0; 1 after an exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads
        if own := os.fork():
            return own
    status = 1
    try:
        act()
        status = 0
    finally:
        os._exit(status)


@pytest.mark.parametrize("name", WRITERS)
def test_a_killed_writer_leaves_the_old_or_the_new(name: str, tmp_path: Path) -> None:
    write, read = WRITERS[name]

    def forever() -> None:
        for n in count(least + 1):
            write(tmp_path, n)

    write(tmp_path, 1)
    whole, least, rng = len([*tmp_path.rglob("*")]), 1, random.Random(name)
    left = 0
    for _ in range(12):
        writer = child(forever)
        time.sleep(rng.uniform(0.002, 0.04))
        os.kill(writer, signal.SIGKILL)
        assert os.waitpid(writer, 0)[1] == signal.SIGKILL
        left += len([*tmp_path.rglob("*")]) > whole
        assert read(tmp_path) >= least
        least = read(tmp_path) + 1
        write(tmp_path, least)
        assert read(tmp_path) == least
        assert len(found := [path.name for path in tmp_path.rglob("*")]) == whole, found
    assert left  # it was killed in the middle


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_an_error_that_names_the_folder(name: str, tmp_path: Path) -> None:
    write, read = WRITERS[name]

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
        with pytest.raises(OSError, match=rf"{tmp_path}.*could not be written"):
            write(tmp_path, 2)

    write(tmp_path, 1)
    before = {*tmp_path.rglob("*")}
    assert os.waitpid(child(full), 0)[1] == 0
    assert read(tmp_path) == 1 and {*tmp_path.rglob("*")} == before
