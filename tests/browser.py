"""The browser that the book is tested in, and axe-core, which looks for what shuts readers out.

``python -m tests.browser`` installs a missing browser.

Order: the CHROMIUM variable, the usual commands, Playwright's own download.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
COMMANDS += ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def launch(playwright: Playwright) -> Browser:
    """Start the browser. RuntimeError if there is none: a page that nobody looked at is broken."""
    if (path := find()) is None:
        raise RuntimeError("no Chromium: run `python -m tests.browser`, or set CHROMIUM to one")
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=path, args=[*FLAGS, *root])


def serious(page: Page, *rules: str) -> list[str]:
    """What axe-core finds serious or critical on a page, by all rules or some: the rule, and where.

    The inside of formulas, thousands of elements that MathJax answers for, is left out.
    """
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec and spec.origin
    page.add_script_tag(path=Path(spec.origin).with_name("axe.min.js"))
    page.add_style_tag(content="* { transition: none !important }")  # colours on their way
    settings: dict[str, object] = {"preload": False, "resultTypes": ["violations"]}
    if rules:
        settings["runOnly"] = rules
    found = page.evaluate("(s) => axe.run({ exclude: ['mjx-container'] }, s)", settings)
    return [
        f"{rule['id']}: {[node['html'][:120] for node in rule['nodes'][:3]]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    ]


def find() -> str | None:
    """Path of an installed Chromium or Chrome, None if there is none."""
    if named := os.environ.get("CHROMIUM"):
        return named
    if path := next(filter(None, map(shutil.which, COMMANDS)), None):
        return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def install() -> None:
    """Install Chromium: Debian's package where we may, else Playwright's download."""
    release = Path("/etc/os-release")
    debian = release.exists() and "\nID=debian" in f"\n{release.read_text()}"
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    may = not sudo or (shutil.which("sudo") and not subprocess.call([*sudo, "true"]))
    if debian and may:
        subprocess.check_call([*sudo, "apt-get", "update", "-qq"])
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.check_call([*sudo, "apt-get", "install", "-yqq", "chromium"], env=quiet)
    else:
        subprocess.check_call([sys.executable, "-m", "playwright", "install", "chromium"])


if __name__ == "__main__":
    if find() is None:
        print("== installing Chromium for the tests of the rendered book", flush=True)
        try:
            install()
        except (subprocess.CalledProcessError, OSError) as error:
            sys.exit(f"no browser: {error}. Install Chromium or Chrome, or set CHROMIUM to one.")
    print(f"== browser: {find()}")
