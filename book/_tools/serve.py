"""Serve the rendered book on this machine: ``python -m book._tools.serve [port]``.

Text travels compressed, as from a public server, and an address that leads nowhere gets the book's
own page.
"""

from __future__ import annotations

import errno
import gzip
import sys
from contextlib import suppress
from functools import lru_cache, partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from book._tools.build import HTML

TEXTS = {".html", ".css", ".js", ".svg", ".json", ".xml", ".txt", ".ipynb"}


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder, text compressed for those who read gzip."""

    protocol_version = "HTTP/1.1"

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Send the headers; return what follows them."""
        asked = Path(self.translate_path(self.path))
        path = asked / "index.html" if asked.is_dir() else asked
        lost = not path.is_file()
        if lost:
            path = Path(self.directory) / "404.html"
        packed = path.suffix in TEXTS and "gzip" in self.headers.get("Accept-Encoding", "")
        moved = asked.is_dir() and not self.path.partition("?")[0].endswith("/")
        if moved or not path.is_file() or not (lost or packed):
            return super().send_head()
        content = _packed(path, path.stat().st_mtime_ns) if packed else path.read_bytes()
        self.send_response(HTTPStatus.NOT_FOUND if lost else HTTPStatus.OK)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        return BytesIO(content)

    def handle(self) -> None:
        """Answer; a reader who leaves halfway is no error."""
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@lru_cache(maxsize=256)
def _packed(path: Path, changed: int) -> bytes:
    return gzip.compress(path.read_bytes(), 6)


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of ``folder`` on this machine alone; port 0 takes any that is free.

    Raises:
        OSError: the port is taken, out of reach, or no port at all.
    """
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "is taken" if taken else f"cannot be used ({error})"
        raise OSError(f"port {port} {why}; try another: make serve PORT=8001") from error


def main() -> None:
    """Serve until Ctrl-C."""
    said = sys.argv[1] if len(sys.argv) > 1 else "8000"
    if not said.isdecimal():
        sys.exit(f"PORT={said} is no number of a port; try make serve PORT=8001")
    try:
        serving = server(HTML, int(said))
    except OSError as error:
        sys.exit(str(error))
    print(f"http://localhost:{serving.server_port} (Ctrl-C ends it)", flush=True)
    try:
        serving.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
