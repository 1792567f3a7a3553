"""Finds the browser that the book is tested in; ``python -m tests.browser`` installs a missing one.

Order: the CHROMIUM variable, the usual commands, the macOS application, Playwright's own download.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def find() -> str | None:
    """Path of an installed Chromium or Chrome, None if there is none."""
    named = os.environ.get("CHROMIUM")
    if named:
        if not shutil.which(named):
            raise FileNotFoundError(f"CHROMIUM={named} is not a program; unset it or correct it")
        return named
    for command in COMMANDS:
        if path := shutil.which(command):
            return path
    if MACOS.exists():
        return str(MACOS)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return str(own) if own.exists() else None


def install() -> None:
    """Install Chromium: Debian's package where we may, else Playwright's download."""
    apt = shutil.which("apt-get")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    may = not sudo or (shutil.which("sudo") and not subprocess.call([*sudo, "true"]))
    debian = Path("/etc/debian_version").exists() and "ubuntu" not in _os_release()
    if apt and may and debian:  # Ubuntu's package of that name needs snapd
        subprocess.check_call([*sudo, apt, "update", "-qq"])
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.check_call([*sudo, apt, "install", "-y", "-qq", "chromium"], env=environment)
    else:
        subprocess.check_call([sys.executable, "-m", "playwright", "install", "chromium"])


def _os_release() -> str:
    path = Path("/etc/os-release")
    return path.read_text().lower() if path.exists() else ""


if __name__ == "__main__":
    if find() is None:
        print("== installing Chromium for the tests of the rendered book", flush=True)
        try:
            install()
        except (subprocess.CalledProcessError, OSError) as error:
            sys.exit(f"no browser: {error}. Install Chromium or Chrome, or set CHROMIUM to one.")
    print(f"== browser: {find()}")
