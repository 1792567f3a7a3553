"""Seal-Tools: the tools that an agent needs for a request (Wu et al., 2024, arXiv 2405.08355).

A query is a request, its golds are the tools that solve it. The parts of a request that needs
several tools are written in it, often one a sentence, so a split of the query finds them; the
requests for one tool show whether several vectors do harm. Written by a language model. The files
are not part of this project: https://github.com/fairyshine/Seal-Tools, folder Seal-Tools_Dataset.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from amer_lite.datasets.files import Filled, Record, read_records
from amer_lite.datasets.splits import groups, split
from amer_lite.datasets.types import Dataset, Example

TOOLS, TRAIN, DEV, TEST = "tool.jsonl", "train.jsonl", "dev.jsonl", "test_in_domain.jsonl"
NOTICE = "Seal-Tools, Wu et al. 2024, arXiv 2405.08355, Apache-2.0"


class Tool(Record):
    api_name: Filled
    api_description: Filled


class Call(Record):
    api: Filled


class Request(Record):
    id: Filled
    query: Filled
    calling: Annotated[list[Call], Field(min_length=1)]


def load(folder: str | Path, single: bool = False, seed: int = 0, test: str = TEST) -> Dataset:
    """Requests that need several tools, or those that need one.

    The official test file is the test split. With the official ``train.jsonl`` (a large file, which
    a copy may lack) the dev file is the dev split; without it a fifth of the dev file's requests
    is, and the rest trains. Requests that are like one of a later split (`splits.groups`: the same
    words, or nearly the same tools) are left out of the earlier one. Test and training share tools,
    as the benchmark means it; what is new in the test is the request and the set of tools.
    Documents are all tools, ``name: description``. Ids are the tools' names and the files' ids.

    Args:
        single: requests for exactly one tool; else those for two or more.
        seed: of the split of the dev file.
        test: name of the test file, for example ``test_out_domain.jsonl``.

    Raises:
        FileNotFoundError: a file is missing; the message says where the files are to be had.
        ValueError: a line that is not of the official format, a call of an unknown tool, or no
            such request left for a split.
    """
    folder = Path(folder)
    if missing := [name for name in (TOOLS, DEV, test) if not (folder / name).is_file()]:
        raise FileNotFoundError(
            f"seal_tools: {folder} has no {missing}; get the folder Seal-Tools_Dataset of "
            "https://github.com/fairyshine/Seal-Tools (Apache-2.0)"
        )
    corpus: dict[str, str] = {}
    for where, tool in read_records(folder / TOOLS, Tool):
        if tool.api_name in corpus:
            raise ValueError(f"{where}: tool {tool.api_name!r} stands twice")
        corpus[tool.api_name] = f"{tool.api_name}: {' '.join(tool.api_description.split())}"
    files = [name for name in (TRAIN, DEV, test) if (folder / name).is_file()]
    read = [
        (name, Example(request.id, request.query, [call.api for call in request.calling]))
        for name in files
        for _, request in read_records(folder / name, Request)
    ]
    read = [(name, example) for name, example in read if (len(example.golds) == 1) == single]
    labels = groups([example for _, example in read])
    last = {label: name for label, (name, _) in zip(labels, read, strict=True)}
    kept = [(name, e) for label, (name, e) in zip(labels, read, strict=True) if name == last[label]]
    parts = {file: [example for name, example in kept if name == file] for file in files}
    if empty := [name for name in files if not parts[name]]:
        raise ValueError(
            f"seal_tools: no request for {'one tool' if single else 'several tools'} in {empty} "
            "that is not like one of a later file"
        )
    if TRAIN in parts:
        splits = {"train": parts[TRAIN], "dev": parts[DEV]}
    else:
        splits = split(parts[DEV], {"train": 0.8, "dev": 0.2}, seed)
    source = f"{', '.join((TOOLS, *files))} of {NOTICE}"
    name = f"seal-tools-{'single' if single else 'multi'}"
    return Dataset(name, corpus, splits | {"test": parts[test]}, source)
