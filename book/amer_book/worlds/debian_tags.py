"""Tags such as ``implemented-in::python`` with which volunteers describe Debian's packages.

Tags and their labels are those of the package ``debtags``, which Debian and Ubuntu have. Nothing is
shipped or installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from amer_lite.storage import text_lines

FOLDER = Path("/usr/share/debtags")  # of the package debtags
VOCABULARY, TAGS = "vocabulary", "tags-current.gz"
NOTICE = (
    "Tags: debtags, GPL-2. Descriptions: the Debian and Ubuntu archives, each under the "
    "licence of its package."
)
# How a label is said. Other facets say their own name: "for Networking: Server".
_PHRASES = {
    "implemented-in": "written in {}",
    "interface": "used through {}",
    "made-of": "made of {}",
    "protocol": "speaking {}",
    "role": "packaged as {}",
    "scope": "used as {}",
    "suite": "belonging to {}",
    "uitoolkit": "built with {}",
    "use": "for {}",
    "works-with": "working with {}",
    "works-with-format": "supporting {}",
}
_NO_PROPERTY = ("special", "secteam")  # facets about the archive, not about the software


def read() -> tuple[dict[str, list[str]], dict[str, str]]:
    """Package to tags, tag to phrase, from the files of the package ``debtags``."""
    if missing := [name for name in (VOCABULARY, TAGS) if not (FOLDER / name).is_file()]:
        raise FileNotFoundError(
            f"debian_tags: {FOLDER} has no {missing}; run `apt-get install debtags` as root"
        )
    tags = parse_tags(line for _, line in text_lines(FOLDER / TAGS))
    return tags, parse_vocabulary("".join(line for _, line in text_lines(FOLDER / VOCABULARY)))


def parse_tags(lines: Iterable[str]) -> dict[str, list[str]]:
    """Package to tags, from the lines ``package: tag, tag`` of debtags' database."""
    found = {}
    for line in filter(None, map(str.strip, lines)):
        package, colon, tags = line.partition(": ")
        if not colon:
            raise ValueError(f"debian_tags: {TAGS}: no 'package: tags' in {line[:60]!r}")
        found[package] = tags.split(", ")
    return found


def parse_vocabulary(text: str) -> dict[str, str]:
    """Tag to a phrase such as "written in Python", from debtags' vocabulary.

    Stanzas ``Facet: name`` and ``Tag: facet::name``, each with ``Description: label`` and perhaps
    more. Tags that say nothing of the software (``special::…``, ``…::TODO``) are left out.
    """
    facets: dict[str, str] = {}
    labels: dict[str, str] = {}
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.split("\n") if ": " in line)
        for kind, table in (("Facet", facets), ("Tag", labels)):
            if kind in fields:
                table[fields[kind].strip()] = " ".join(fields.get("Description", "").split())
    phrases = {}
    for tag, label in labels.items():
        facet, _, name = tag.partition("::")
        if not label or facet not in facets:
            raise ValueError(f"debian_tags: {VOCABULARY}: no label or no facet for {tag!r}")
        if name != "TODO" and facet not in _NO_PROPERTY:
            phrases[tag] = _PHRASES.get(facet, "for {1}: {0}").format(label, facets[facet])
    if not phrases:
        raise ValueError(f"debian_tags: {VOCABULARY} has no tag")
    return phrases
