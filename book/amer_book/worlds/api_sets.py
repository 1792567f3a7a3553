"""API sets: what a function is made of, read from the source of installed Python packages.

A query is what a public function says of itself, the first paragraph of its docstring; its golds
are the documented functions and classes that it calls, of its own or of other packages. What it
does is written, by what means is implied. The source is read, never imported.
"""

from __future__ import annotations

import ast
import inspect
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

from amer_book.worlds.calls import Source
from amer_book.worlds.families import over_families
from amer_lite.datasets.splits import FRACTIONS, fingerprint, normalise_text
from amer_lite.datasets.types import Dataset

# Of those that this library needs, directly or not, the ones with most queries.
PACKAGES = (
    *("numpy", "scipy", "sklearn", "networkx", "sympy", "mpmath", "nltk", "torch", "transformers"),
    *("sentence_transformers", "peft", "accelerate", "huggingface_hub", "IPython"),
    *("prompt_toolkit", "pydantic", "rich"),
)
# Tests, copies of other packages, a compiler's inside, and transformers' hundreds of near-copies.
_SKIPPED = {
    *("tests", "test", "testing", "conftest", "vendor", "_vendor", "externals", "third_party"),
    *("_inductor", "_dynamo", "models"),
}
_WORDS = 4  # a text of fewer says too little
_NO_PROSE = re.compile(r"\s*($|:\w+|@\w+|>>>|\.\. |(Args|Arguments|Parameters|Returns)\b:?\s*$)")
_ROLE = re.compile(r":[\w:.+-]+:`[~!]?([^`<]+?)(?:\s*<[^`]*>)?`")


def load(
    packages: Sequence[str] = PACKAGES,
    min_golds: int = 2,
    max_golds: int = 8,
    max_uses: int = 300,
    seed: int = 0,
    fractions: Mapping[str, float] = FRACTIONS,
) -> Dataset:
    """Functions and methods that call ``min_golds`` to ``max_golds`` documented ones.

    Calls are resolved through imports, the names of a module, ``self`` and base classes; what these
    do not settle is left out, so are exceptions, decorators, a gold that says the same as the query
    (a wrapper), one that more than ``max_uses`` functions call, and texts that several functions
    share ("Fit the model."). A document is the name and the first sentence of a docstring, equal
    ones are one. Ids are ``f-`` and ``q-`` with the hash of the text. Figures differ between the
    packages' versions, which the source names. Reading takes about a minute, once a process. A
    family is a subpackage (``scipy.stats``), since a few packages have most of the functions.
    ``packages`` are names to import them by. Other arguments and errors are those of
    `families.over_families` and `read`.
    """
    if isinstance(packages, str) or not packages:
        raise ValueError(f"api_sets: packages = {packages!r}; pass a list of at least one name")
    source = read(tuple(packages))
    said = {name: paragraph(entry.doc) for name, entry in source.defined.items() if entry.doc}
    plain = {name: normalise_text(text) for name, text in said.items()}
    ids: dict[str, str] = {}
    texts: dict[str, str] = {}
    for name, text in sorted(said.items()):
        if shown := document(name.removeprefix(f"{source.defined[name].module}."), text):
            ids[name] = f"f-{fingerprint(shown)}"
            texts.setdefault(ids[name], shown)
    called: dict[str, list[str]] = {}
    for name in said:
        found = map(source.resolve, source.defined[name].calls)
        golds = [ids[other] for other in found if other in ids and plain[other] != plain[name]]
        called[name] = [gold for gold in dict.fromkeys(golds) if gold != ids.get(name)]
    uses = Counter(gold for golds in called.values() for gold in golds)
    sharing = Counter(plain[name] for name, golds in called.items() if golds)
    queries = (
        (
            f"q-{fingerprint(said[name])}",
            said[name],
            [gold for gold in golds if uses[gold] <= max_uses],
            ".".join(source.defined[name].module.split(".")[:2]),
        )
        for name, golds in sorted(called.items())
        if len(said[name].split()) >= _WORDS and sharing[plain[name]] == 1
    )
    known = packages_distributions()
    versions = ", ".join(f"{p} {version(known[p][0])}" if p in known else p for p in packages)
    origin = f"Source of {versions}, each under its own licence."
    limits = (min_golds, max_golds)
    return over_families("api-sets", queries, texts, origin, limits, seed, fractions)


@lru_cache(maxsize=1)  # for draws of the split one after the other
def read(packages: tuple[str, ...]) -> Source:
    """The source of ``packages``; files that do not parse are passed over.

    Raises:
        FileNotFoundError: one is not installed, or has no folder of its own.
    """
    source = Source()
    for package in packages:
        plain = isinstance(package, str) and package.isidentifier()  # else a parent is imported
        spec = find_spec(package) if plain else None
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(
                f"api_sets: {package!r} is not installed; `pip install` it or leave it out"
            )
        root = Path(spec.submodule_search_locations[0])
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root.parent).with_suffix("").parts
            if not _SKIPPED.isdisjoint(parts):
                continue
            # warnings of escapes in strings
            with warnings.catch_warnings(action="ignore"), suppress(SyntaxError, ValueError):
                source.add(parts, ast.parse(path.read_bytes()))
    return source


def paragraph(doc: str) -> str:
    """The first paragraph of a docstring in one line, without marks of reStructuredText."""
    lines = takewhile(lambda line: not _NO_PROSE.match(line), inspect.cleandoc(doc).split("\n"))
    text = _ROLE.sub(r"\1", " ".join(" ".join(lines).split()))
    return text.replace("`", "").replace("**", "")


def document(name: str, text: str) -> str:
    """``Class.method: first sentence``; "" for an exception or if there is too little text."""
    sentence = re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]
    if name.endswith(("Error", "Warning", "Exception")) or len(sentence.split()) < _WORDS - 1:
        return ""
    return f"{name}: {sentence}"
