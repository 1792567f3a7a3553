"""Where this repository is published: the one place that decides about badges and links."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

ROOT = Path(__file__).resolve().parents[2]
BOOK = "book"

_GITHUB = re.compile(
    r"(?:https?://(?:[^@/\s]+@)?github\.com/|(?:ssh://)?git@github\.com[:/])"
    r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?"
)


@dataclass(frozen=True)
class Repository:
    """A public GitHub repository, ``url`` without a trailing slash or ``.git``."""

    url: str
    branch: str = "main"

    def view(self, path: str) -> str:
        """Page that shows a file of the book."""
        return f"{self.url}/blob/{quote(self.branch)}/{BOOK}/{path}"

    def raw(self, path: str) -> str:
        """The bytes of a file of the book, for images."""
        return f"{self.url}/raw/{quote(self.branch)}/{BOOK}/{path}"

    def colab(self, notebook: str) -> str:
        """Address that opens a notebook of the book in Colab."""
        path = self.url.removeprefix("https://github.com/")
        return (
            "https://colab.research.google.com/github/"
            f"{path}/blob/{quote(self.branch)}/{BOOK}/{notebook}"
        )


def read_config(root: Path = ROOT) -> dict[str, Any]:
    """The book's ``_config.yml`` as it stands in the checkout."""
    config: dict[str, Any] = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return config


def find_repository(root: Path = ROOT) -> Repository | None:
    """The address in ``_config.yml``, else that of the git remote ``origin``, else None.

    A remote that is not on GitHub counts as none: nothing may be invented, and Colab opens only
    GitHub. Credentials inside a remote's address are dropped.

    Raises:
        ValueError: ``repository.url`` is set to something that is not a GitHub repository.
    """
    settings = read_config(root).get("repository") or {}
    branch = settings.get("branch") or "main"
    written = (settings.get("url") or "").strip()
    match = _GITHUB.fullmatch(written or _origin(root))
    if match:
        return Repository(f"https://github.com/{match['owner']}/{match['name']}", branch)
    if written:
        raise ValueError(
            f"_config.yml: repository.url is {written!r}; "
            "expected https://github.com/<owner>/<name>, or leave it empty"
        )
    return None


def _origin(root: Path) -> str:
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
