"""Build the book: ``python -m book._tools.build`` from the root of the checkout.

Jupyter Book 1 does the work. This script prepares what it cannot know and checks what it does not:

* the browser assets (plotly.js, MathJax) are copied from installed wheels, so no page needs a CDN;
* executed outputs are cached under a key made from the library, the data and the pinned versions,
  because Jupyter Book itself notices only a change in a chapter's own cells;
* chapters are executed side by side, which Jupyter Book would do one after another, and beside
  them the playground's models are trained;
* the kernel is this interpreter, with this checkout on its path and no network for models;
* the repository's address, when there is one, becomes the Colab and source buttons.

Everything goes to ``_build``, which git ignores.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from myst_nb.core.read import is_myst_markdown_notebook

from book._tools.repository import BOOK, ROOT, Repository, find_repository, read_config

BUILD = ROOT / "_build"
HTML = BUILD / "html"
CACHES = BUILD / "executed"
# MathJax as its wheel lays it out: the start file, then what it loads on demand.
MATHJAX = ["tex-chtml.js", "input/tex/extensions", "output/chtml", "a11y", "sre", "ui"]
GENERATED_PAGES = {"genindex", "search", "py-modindex", "404"}
BESIDE = ("book._tools.playground",)  # writes what pages load; runs while chapters do
SIDE_BY_SIDE = min(4, os.cpu_count() or 1)  # a chapter computes on one core, in up to 3 GB


def main() -> int:
    """Build; return the process's exit code."""
    started = time.time()
    try:
        repository = find_repository()
        assets = copy_assets()
    except (ValueError, FileNotFoundError) as error:
        return _fail(str(error))
    cache = CACHES / cache_key()
    for other in CACHES.glob("*"):
        if other != cache:
            shutil.rmtree(other)
    cache.mkdir(parents=True, exist_ok=True)
    os.environ.update(kernel_environment())
    if not execute(cache):
        return _fail("What the pages load could not be written.")
    config = BUILD / "config.yml"
    config.write_text(json.dumps(book_config(cache, assets, repository)))  # JSON is YAML
    print(f"Repository: {repository.url if repository else 'no address known, so no Colab links'}")

    code = _run_jupyter_book(config)
    if code:
        # Sphinx reports a page's warnings only when it reads the page: forget what it has read, or
        # the next build would pass. Executed outputs stay cached.
        shutil.rmtree(BUILD / ".doctrees", ignore_errors=True)
        return _fail("The book was not built.")
    _drop_stale_pages()
    _offer_generated_notebooks()
    print_times(cache, started)
    print(f"\nThe book is built ({time.time() - started:.0f} s). Open {HTML / 'index.html'}")
    return 0


def book_config(cache: Path, assets: Path, repository: Repository | None) -> dict[str, Any]:
    """``_config.yml`` with the settings that depend on this machine filled in."""
    config = read_config()
    config["execute"]["cache"] = str(cache)
    settings = config["sphinx"]["config"]
    settings["html_static_path"] = ["_assets", str(assets)]
    # Sphinx copies assets only when it writes a page: a changed one changes the configuration.
    own = [ROOT / BOOK / folder for folder in ("_assets", "_templates", "_tools")]
    playground = BUILD / "playground"  # what book._tools.playground writes, if it did
    if playground.exists():
        settings["html_static_path"].append(str(playground / "static"))
        own.append(playground / "made_of.txt")
    settings["html_context"]["assets"] = digest(own)
    if repository:
        config["repository"]["url"] = repository.url
        config["launch_buttons"] = {
            "notebook_interface": "classic",
            "colab_url": "https://colab.research.google.com",
        }
        config["html"] |= {"use_repository_button": True, "use_issues_button": True}
    else:
        # Left out, Jupyter Book would fill in its own repository.
        config["repository"] = {"url": ""}
    return config


def copy_assets() -> Path:
    """Collect plotly.js and MathJax from the installed wheels; return their folder.

    Raises:
        FileNotFoundError: a wheel is missing or laid out differently.
    """
    target = BUILD / "assets"
    # The MathJax wheel's module name has hyphens: it can be found, but not imported.
    mathjax = package_folder("sphinx-mathjax-offline") / "static" / "mathjax"
    sources = {
        target / "plotly.min.js": package_folder("plotly") / "package_data" / "plotly.min.js"
    }
    sources |= {target / "mathjax" / part: mathjax / part for part in MATHJAX}
    shutil.rmtree(target, ignore_errors=True)  # of an older version, perhaps
    for copy, source in sources.items():
        if not source.exists():
            raise FileNotFoundError(f"{source} is missing; run `make book` to install it")
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    return target


def cache_key() -> str:
    """Digest of all that an executed cell can see besides its own notebook."""
    return digest(
        [ROOT / "amer_lite", ROOT / BOOK / "amer_book", ROOT / "data", ROOT / "constraints.txt"]
    )


def digest(places: list[Path]) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            name = path.relative_to(ROOT)
            scratch = "__pycache__" in name.parts or name.parts[:2] == ("data", "cache")
            if path.is_file() and not scratch and name.name != "bench.json":  # no chapter reads it
                digest.update(f"{name.as_posix()}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def kernel_environment() -> dict[str, str]:
    """What every kernel finds in its environment."""
    return {
        "AMER_LITE_BOOK": "1",  # amer_book.figures.show writes static HTML
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(ROOT), str(ROOT / BOOK), os.environ.get("PYTHONPATH")])
        ),
        "PYTHONHASHSEED": "0",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # A kernel called python3 or a startup script in the user's home must not take part.
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter"),
        "IPYTHONDIR": str(BUILD / "ipython"),
    }


def execute(cache: Path) -> bool:
    """Run what goes beside, and the chapters that the cache does not hold, each as far as it gets.

    A chapter that fails is not kept: Jupyter Book runs it again, and reports it. Returns whether
    all that goes beside succeeded.
    """
    profile = BUILD / "ipython" / "profile_default" / "ipython_kernel_config.py"
    profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write_text("get_config().IPKernelApp.log_level = 40\n")  # no notes about the transport
    project = get_cache(cache)
    for page in sorted((ROOT / BOOK).glob("*.md")):
        if is_myst_markdown_notebook(page.read_text(encoding="utf-8")):
            project.add_nb_to_project(str(page), read_data={"type": "plugin", "name": "myst_nb_md"})
    pages = [page.pk for page in project.list_unexecuted()]
    print(f"Executing {len(pages)} chapters, {SIDE_BY_SIDE} at a time", flush=True)
    with ProcessPoolExecutor(SIDE_BY_SIDE, multiprocessing.get_context("spawn")) as pool:
        codes = [pool.submit(subprocess.call, [sys.executable, "-m", name]) for name in BESIDE]
        for chapter in [pool.submit(run_chapter, cache, page) for page in pages]:
            chapter.result()
        return not any(code.result() for code in codes)


def run_chapter(cache: Path, number: int) -> None:
    executor = load_executor("local-serial", get_cache(cache))
    executor.run_and_cache(filter_pks=[number], timeout=None)


def print_times(cache: Path, started: float) -> None:
    """Print how long each chapter's cells ran, and whether now or in an earlier build."""
    latest: dict[str, tuple[float, float]] = {}
    for record in get_cache(cache).list_cache_records():
        when, took = record.created.timestamp(), float(record.data["execution_seconds"])
        if record.uri not in latest or latest[record.uri][0] < when:
            latest[record.uri] = when, took
    print("\nExecution time of the chapters:")
    for uri, (when, took) in sorted(latest.items()):
        print(f"  {Path(uri).stem:<40} {took:7.1f} s{'' if when >= started else '  (cached)'}")


def _run_jupyter_book(config: Path) -> int:
    command = [
        *(sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build"),
        *(str(ROOT / BOOK), "--path-output", str(ROOT), "--config", str(config)),
        *("--toc", str(ROOT / "_toc.yml"), "-W", "-n", "--keep-going"),
    ]
    complaints = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if "WARNING: " in line or "ERROR: " in line:
                complaints.append(line)
    if complaints:
        print("\nWhat went wrong (details above):", *complaints, sep="\n", file=sys.stderr)
    return process.returncode


def _drop_stale_pages() -> None:
    """Remove pages whose source is gone; Sphinx leaves them behind."""
    for page in [*HTML.glob("*.html"), *HTML.glob("api/*.html")]:
        source = ROOT / BOOK / page.relative_to(HTML).with_suffix(".md")
        if page.stem not in GENERATED_PAGES and not source.exists():
            page.unlink()


def _offer_generated_notebooks() -> None:
    """Serve our plain-Markdown notebooks where the theme offers its own copy with raw MyST."""
    for offered in (HTML / "_sources").glob("*.ipynb"):
        ours = ROOT / BOOK / offered.name
        if ours.exists():
            shutil.copyfile(ours, offered)


def package_folder(name: str) -> Path:
    """Folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"Python package {name!r} is not installed; run `make book`")
    return Path(spec.origin).parent


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
