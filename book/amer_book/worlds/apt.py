"""Packages as the machine's own apt describes them (Debian, Ubuntu): shared by several worlds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

NOTICE = "Debian's and Ubuntu's package lists; each entry is under the licence of its package"
_FIELD = re.compile(r"^(Package|Source|(?:Pre-)?Depends|Description(?:-en)?):(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Package:
    """One binary package."""

    source: str  # package
    description: str  # the short one
    dependencies: tuple[str, ...]  # names; of alternatives (``a | b``) the first, which apt prefers

    @property
    def family(self) -> str:
        """The source without version numbers: "gcc-11-cross" and "gcc-12-cross" are one."""
        return "-".join(filter(None, re.split(r"[-.\d]+", self.source))) or self.source


def packages() -> dict[str, Package]:
    """All packages with a description that the machine's apt lists know.

    Raises:
        FileNotFoundError: no apt, or no apt lists; the message says what to do.
        OSError, subprocess.TimeoutExpired: apt failed, or took longer than two minutes.
    """
    command = shutil.which("apt-cache")
    if command is None:
        raise FileNotFoundError("apt: no apt-cache here; the data need Debian or Ubuntu (or Colab)")
    environment = os.environ | {"LC_ALL": "C"}  # else apt may translate
    done = subprocess.run(
        [command, "dumpavail"], env=environment, timeout=120, capture_output=True, check=False
    )
    if done.returncode:
        raise OSError(f"apt: `apt-cache dumpavail` failed: {done.stderr.decode(errors='replace')}")
    found = parse(done.stdout.decode(errors="replace"))
    if not found:
        raise FileNotFoundError("apt: it knows no package; run `apt-get update` as root")
    return found


def parse(text: str) -> dict[str, Package]:
    """Package name to package, from what ``apt-cache dumpavail`` prints.

    Stanzas of ``Field: value``, parted by empty lines; a field's further lines begin with a space.
    White space collapses; packages without a description are left out; of two stanzas of a package
    the first counts.
    """
    found: dict[str, Package] = {}
    for stanza in text.split("\n\n"):
        fields = {name: " ".join(value.split()) for name, value in _FIELD.findall(stanza)}
        description = fields.get("Description") or fields.get("Description-en")
        if description and (package := fields.get("Package")):
            needs = f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}"
            firsts = dict.fromkeys(re.findall(r"(?:^|,)\s*([a-z0-9][a-z0-9+.-]*)", needs))
            source = fields.get("Source", package).split(" ")[0]
            found.setdefault(package, Package(source, description, tuple(firsts)))
    return found
