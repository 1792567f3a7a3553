"""From data to figures: five commands over one TOML file that says what the run is."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import amer_lite

COMMANDS = {
    "audit": "show what was repaired in the data and what is wrong with them (then exit 1)",
    "embed": "write the corpus as shards of vectors; a second run writes what is missing",
    "train": "train a language model to emit vectors; a second run resumes",
    "retrieve": "search with the trained model; write a TREC run and its qrels",
    "evaluate": "measure the run, with intervals; test it against another one",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 for an audit with findings, 2 for bad input."""
    options = vars(_parser().parse_args(arguments))
    name, path, changes = options.pop("command"), options.pop("config"), options.pop("set")
    from amer_lite.commands.config import read  # not for --help

    try:
        config = read(path, changes)
        module = import_module(f"amer_lite.commands.{'task' if name == 'audit' else name}")
        report = getattr(module, name)(config, **options)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    report, good = report if name == "audit" else (report, True)
    if os.environ.get("RANK", "0") == "0":  # one of several processes speaks for all
        print(report)
    return 0 if good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("amer-lite", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {amer_lite.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument("config", help="a TOML file that describes the run")
        said, place = "change one value; may stand several times", "SECTION.FIELD=VALUE"
        command.add_argument("--set", metavar=place, action="append", default=[], help=said)
        if name == "retrieve":
            said = "search with the document encoder itself"
            command.add_argument("--untrained", action="store_true", help=said)
        if name == "evaluate":
            said = "another .trec file, its .qrels beside it"
            command.add_argument("--against", metavar="RUN", help=said)
    return parser


if __name__ == "__main__":
    sys.exit(main())
