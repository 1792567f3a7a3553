"""From data to figures: six commands over one TOML file that says what the run is."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import amer_lite

COMMANDS = {
    "audit": "show what was repaired in the data and what is wrong with them (then exit 1)",
    "diagnose": "say before any training whether several vectors may pay on the data",
    "embed": "write the corpus as shards of vectors; a second run writes what is missing",
    "train": "train a language model to emit vectors; a second run resumes",
    "retrieve": "search with the trained model; write a TREC run and its qrels",
    "evaluate": "measure the run, with intervals; test it against another one",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 for an audit with findings, 2 for a failure.

    A failure is said in one line; ``--debug`` raises it.
    """
    options = vars(_parser().parse_args(arguments))
    name, path, changes = options.pop("command"), options.pop("config"), options.pop("set")
    debug = options.pop("debug")
    try:
        from amer_lite.commands.config import read  # not for --help

        config = read(path, changes, "embed" if options.get("untrained") else name)
        if name != "evaluate" and config.data.queries:  # known before anything heavy is imported
            config.data.files(), config.data.corpus and config.data.passages()
        module = import_module(f"amer_lite.commands.{'task' if name == 'audit' else name}")
        report = getattr(module, name)(config, **options)
        report, good = report if name == "audit" else (report, True)
        if os.environ.get("RANK", "0") == "0":  # one of several processes speaks for all
            print(report)
    except Exception as error:
        if debug:
            raise
        kind = "" if isinstance(error, ValueError | OSError | ImportError) else type(error).__name__
        said = " ".join(f"{kind} {error}".split())
        print(f"error: {said}{'; --debug shows where' * bool(kind)}", file=sys.stderr)
        return 2
    return 0 if good else 1


def configs() -> Path:
    """The folder of the configs that come with this package, in a wheel or in a checkout."""
    here = Path(__file__).parent
    places = (here / "configs", here.parent / "data" / "configs")
    return next((at for at in places if at.is_dir()), here)


def _parser() -> argparse.ArgumentParser:
    example = configs() / "words.toml"
    parser = _Parser("amer-lite", description=__doc__, epilog=f"An example: {example}")
    parser.add_argument("--version", action="version", version=f"%(prog)s {amer_lite.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        said = f"a TOML file that describes the run, such as {example}"
        command.add_argument("config", help=said)
        command.add_argument("--debug", action="store_true", help="show a failure's traceback")
        said, place = "change one value; may stand several times", "SECTION.FIELD=VALUE"
        command.add_argument("--set", metavar=place, action="append", default=[], help=said)
        if name == "diagnose":
            command.add_argument("--json", metavar="FILE", help="write what is printed here too")
        if name == "retrieve":
            said = "search with the document encoder itself"
            command.add_argument("--untrained", action="store_true", help=said)
        if name == "evaluate":
            said = "another .trec file, its .qrels beside it"
            command.add_argument("--against", metavar="RUN", help=said)
    return parser


if __name__ == "__main__":
    sys.exit(main())
