"""``python -m amer_lite {audit,embed,train,retrieve,evaluate} CONFIG``: from data to figures."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amer_lite.commands.config import Config

COMMANDS = {
    "audit": "show what was repaired in the data and what is wrong with them (then exit 1)",
    "embed": "write the corpus as shards of vectors; a second run writes what is missing",
    "train": "train a language model to emit vectors; a second run resumes",
    "retrieve": "search with the trained model; write a TREC run and its qrels",
    "evaluate": "measure the run, with intervals; test it against another one",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 for an audit with findings, 2 for bad input."""
    asked = _parser().parse_args(arguments)
    from amer_lite.commands.reading import read  # heavy, so not at the top

    try:
        config = read(asked.config, dict(asked.set))
        report, good = _run(asked, config)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if os.environ.get("RANK", "0") == "0":  # one of several processes speaks for all
        print(report)
    return 0 if good else 1


def _run(asked: argparse.Namespace, config: Config) -> tuple[str, bool]:
    if asked.command == "audit":
        from amer_lite.commands.audit import audit

        return audit(config)
    if asked.command == "embed":
        from amer_lite.commands.embed import embed

        return embed(config), True
    if asked.command == "train":
        from amer_lite.commands.train import train

        return train(config), True
    if asked.command == "retrieve":
        from amer_lite.commands.retrieve import retrieve

        return retrieve(config, asked.untrained), True
    from amer_lite.commands.evaluate import evaluate

    return evaluate(config, asked.against), True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m amer_lite", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument("config", help="a TOML file, such as data/configs/words.toml")
        command.add_argument(
            "--set",
            metavar="SECTION.FIELD=VALUE",
            action="append",
            default=[],
            type=_change,
            help="change one value of the config; may stand several times",
        )
        if name == "retrieve":
            command.add_argument(
                "--untrained", action="store_true", help="search with the document encoder itself"
            )
        if name == "evaluate":
            command.add_argument(
                "--against", metavar="RUN", help="another .trec file, its .qrels beside it"
            )
    return parser


def _change(text: str) -> tuple[str, str]:
    place, equals, value = text.partition("=")
    if not place or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not SECTION.FIELD=VALUE")
    return place, value


if __name__ == "__main__":
    sys.exit(main())
