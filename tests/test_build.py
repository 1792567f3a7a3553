"""What the book's build decides by itself: when outputs are stale, and which links it may show."""

from __future__ import annotations

from pathlib import Path

import pytest

from book._tools import build
from book._tools.repository import Repository


def test_outputs_are_stale_when_anything_that_they_saw_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    seen = ["amer_lite/model.py", "book/amer_book/runs.py", "data/results/a", "constraints.txt"]
    unseen = ["data/cache/x", "amer_lite/__pycache__/model.pyc", "book/01_one.md"]
    for name in [*seen, *unseen]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    key = build.cache_key()
    for name in unseen:
        (tmp_path / name).write_text("changed")
        assert build.cache_key() == key
    for name in [*seen, "amer_lite/new.py"]:
        (tmp_path / name).write_text("changed")
        assert build.cache_key() != key, name
        key = build.cache_key()


def test_only_a_known_address_makes_colab_links(tmp_path: Path) -> None:
    known = build.book_config(tmp_path, tmp_path, Repository("https://github.com/owner/name"))
    assert known["repository"]["url"] == "https://github.com/owner/name"
    assert "colab_url" in known["launch_buttons"]
    unknown = build.book_config(tmp_path, tmp_path, None)
    assert unknown["repository"]["url"] == "" and "launch_buttons" not in unknown
