"""Texts that a small language model writes for a query, out of which rivals search."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from amer_book.budget import sub_queries
from amer_lite.encoders.prompt import open_lm, prompt_ids

PROMPTS = {
    "expansion": (
        "jazz music and modern dance: music with improvisation; a form of dance on a stage\n"
        "Python: a programming language; a large snake\n{query}:"
    ),
    "sub-queries": (
        "jazz music and modern dance: jazz music; modern dance\n"
        "Python: Python the language; python the snake\n{query}:"
    ),
}


class Writer:
    """SmolLM2-135M-Instruct, greedy; a first line of at most ``most`` tokens."""

    def __init__(self, most: int = 24) -> None:
        lm, self.tokenizer = open_lm()
        self.lm, self.most = lm.to(torch.bfloat16), most
        self.tokenizer.padding_side = "left"  # what is written follows the prompt

    @torch.no_grad()
    def __call__(self, prompt: str, queries: Sequence[str], batch: int = 16) -> list[str]:
        """What it writes for each query, one of `PROMPTS`; empty where it stops at once."""
        found = list[str]()
        for start in range(0, len(queries), batch):
            ids, mask = prompt_ids(self.tokenizer, PROMPTS[prompt], queries[start : start + batch])
            out = self.lm.generate(
                ids, attention_mask=mask.long(), max_new_tokens=self.most, do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id,
            )  # fmt: skip
            new = self.tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)
            found += [text.strip().partition("\n")[0].strip() for text in new]
        return found


def listed(write: Callable[[list[str]], list[str]]) -> Callable[[list[str]], list[list[str]]]:
    """Sub-queries; none where the answer holds none, so that the query alone is searched with."""

    def lists(queries: list[str]) -> list[list[str]]:
        found = []
        for query, answer in zip(queries, write(queries), strict=True):
            try:
                parts = sub_queries(answer.replace(";", "\n"))
            except ValueError:
                parts = []
            found.append([part for part in parts if part != query])
        return found

    return lists
