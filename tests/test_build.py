"""What the book's build decides by itself: when outputs are stale, and which links it may show."""

from __future__ import annotations

from pathlib import Path

import pytest

from book._tools import build
from book._tools.repository import Repository


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("amer_lite/model.py", "data/results/a.json", "constraints.txt", "data/cache/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["amer_lite/model.py", "data/results/a.json", "constraints.txt"])
def test_outputs_are_stale_when_anything_they_saw_changes(checkout: Path, name: str) -> None:
    before = build.cache_key()
    assert build.cache_key() == before
    (checkout / name).write_text("changed")
    changed = build.cache_key()
    assert changed != before
    (checkout / name).with_name("new.py").write_text("")
    assert (build.cache_key() != changed) is (name != "constraints.txt")


def test_outputs_are_not_stale_when_scratch_files_change(checkout: Path) -> None:
    before = build.cache_key()
    (checkout / "data/cache/x").write_text("changed")
    (checkout / "amer_lite/__pycache__").mkdir()
    (checkout / "amer_lite/__pycache__/model.pyc").write_text("")
    assert build.cache_key() == before


def test_only_a_known_address_makes_colab_links(tmp_path: Path) -> None:
    known = build.book_config(tmp_path, tmp_path, Repository("https://github.com/owner/name"))
    assert known["repository"]["url"] == "https://github.com/owner/name"
    assert "colab_url" in known["launch_buttons"]
    unknown = build.book_config(tmp_path, tmp_path, None)
    assert unknown["repository"]["url"] == "" and "launch_buttons" not in unknown
