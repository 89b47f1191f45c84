"""The built pages, and what is shown when there are none. Event-loop thread."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse, Response

from qi.errors import NotFound

BUILT = Path(__file__).resolve().parents[2] / "_ui"
INLINE = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Qi</title>
<h1>The pages of Qi are not built</h1>
<p>The studio runs, and everything can be done with <code>qi</code> on the command line.</p>
<p>In a clone: <code>uv sync --reinstall-package qi-pipeline</code> builds them and says what stands in the way.</p>
</html>"""


def policy(page: str) -> str:
    """Content-Security-Policy of a page: no script runs but the server's files, and those inside of it, by digest."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in INLINE.findall(page)]
    scripts = " ".join(["'self'", *(f"'sha256-{digest}'" for digest in digests)])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


class Pages:
    """One folder of files; every other address is the one page, which finds its way by itself."""

    def __init__(self, folder: Path = BUILT) -> None:
        self._folder = folder.resolve()

    @property
    def _index(self) -> str:
        """As it is now: a build while the server runs gives its files other names."""
        index = self._folder / "index.html"
        return index.read_text("utf-8") if index.is_file() else ""

    def answer(self, path: str) -> Response:
        """A file of the build, or the page. Raises :class:`NotFound` for an asset that is not there."""
        index = self._index
        if not index:
            return HTMLResponse(NOT_BUILT, 503)
        file = (self._folder / path.lstrip("/")).resolve()
        if file.is_file() and file.is_relative_to(self._folder) and file.name != "index.html" and file.name[0] != ".":
            kept = "public, max-age=31536000, immutable" if "/immutable/" in path else "no-cache"
            return FileResponse(file, headers={"cache-control": kept})
        if Path(path).suffix:
            raise NotFound(f"there is no {path}")
        return HTMLResponse(index, headers={"cache-control": "no-cache", "content-security-policy": policy(index)})
