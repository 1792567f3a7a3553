"""Recorded runs: each module is a command that writes a file of ``data/results``.

Every one writes after each training, and started again goes on where it stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from amer_book.records import Record
from amer_lite import AMER, AMERConfig, DecoderConfig, TrainConfig, TrainData, fit
from amer_lite.datasets.types import Example, Run
from amer_lite.evaluation import metrics


def parser_of(
    doc: str | None, name: str = "", known: Sequence[str] = (), default: Sequence[str] | None = None
) -> argparse.ArgumentParser:
    """Reads any number of ``known`` words into ``name``; without one, ``default`` or all of them.

    Args:
        doc: of the run; its first line is the description.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    if not name:
        return parser

    def word(text: str) -> str:  # argparse refuses a list as default beside nargs="*" and choices
        if text not in known:
            raise argparse.ArgumentTypeError(f"{text!r} is unknown; choose of {', '.join(known)}")
        return text

    chosen = list(known if default is None else default)
    parser.add_argument(name, nargs="*", type=word, default=chosen, help=f"of {', '.join(known)}")
    return parser


def trained(
    data: TrainData, score: Callable[[AMER], float], decoder: DecoderConfig, **options: Any
) -> tuple[AMER, float]:
    """A model at its best on dev, and its score there; options are those of `TrainConfig`."""
    config = TrainConfig(**options)
    torch.manual_seed(config.seed)
    model = AMER(AMERConfig(dim=data.documents.shape[1], decoder=decoder))
    history = fit(model, data, config, score, progress=False)
    return model, max(check.score for check in history)


def measured(
    run: Run, examples: Sequence[Example], cuts: Sequence[int], **row: object
) -> Iterator[Record]:
    """MRecall and Recall at each cut-off, in percent."""
    for metric in (metrics.mrecall, metrics.recall):
        for k in cuts:
            value = percent(metric(run, examples, k).mean())
            yield {**row, "metric": metric.__name__, "k": k, "value": value}


def percent(share: float) -> float:
    return round(100 * float(share), 3)
