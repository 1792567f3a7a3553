"""Finds the browser that the book is tested in; ``python -m tests.browser`` installs a missing one.

Order: the CHROMIUM variable, the usual commands, Playwright's own download.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
COMMANDS += ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]


def find() -> str | None:
    """Path of an installed Chromium or Chrome, None if there is none."""
    if named := os.environ.get("CHROMIUM"):
        return named
    if path := next(filter(None, map(shutil.which, COMMANDS)), None):
        return path
    from playwright.sync_api import sync_playwright

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
