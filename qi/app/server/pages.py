"""The built pages, and what is shown when there are none. Event-loop thread."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse, Response

from qi.errors import NotFound

BUILT = Path(__file__).resolve().parents[2] / "_ui"
INLINE = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
ANNOUNCER = (
    "position: absolute; left: 0; top: 0; clip: rect(0 0 0 0); clip-path: inset(50%); overflow: hidden; "
    "white-space: nowrap; width: 1px; height: 1px"
)
IN_ELEMENTS = (ANNOUNCER, "display: contents;")
"""The styles that stand in elements: of SvelteKit's own, which tells screen readers where they are, and of what the
component kit puts around the palette's rows."""
NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Qi</title>
<h1>The pages of Qi are not built</h1>
<p>The studio runs, and everything can be done with <code>qi</code> on the command line.</p>
<p>In a clone: <code>uv sync --reinstall-package qi-pipeline</code> builds them and says what stands in the way.</p>
</html>"""


def policy(page: str = "", nonce: str = "") -> str:
    """Content-Security-Policy of a page: no script runs but the server's files, and those inside of it, by digest.
    Styles are files, too, but for those that the text editor makes as it runs, which know the page's `nonce`."""
    scripts = " ".join(["'self'", *(_digest(script) for script in INLINE.findall(page))])
    known = [f"'nonce-{nonce}'"] if nonce else []
    styles = " ".join(["'self'", *known, "'unsafe-hashes'", *map(_digest, IN_ELEMENTS)])
    return (
        f"default-src 'self'; script-src {scripts}; style-src {styles}; "
        "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def file_below(folder: Path, path: str) -> Path | None:
    """The file that a request names below a folder, which is resolved; None where there is none, also not elsewhere."""
    try:
        file = (folder / path).resolve()
        return file if file.is_relative_to(folder) and file.is_file() else None
    except (OSError, ValueError):  # too long, or with a null character: no file has such a name
        return None


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
        file = file_below(self._folder, path.lstrip("/"))
        if file and file.name != "index.html" and file.name[0] != ".":
            kept = "public, max-age=31536000, immutable" if "/immutable/" in path else "no-cache"
            return FileResponse(file, headers={"cache-control": kept})
        if Path(path).suffix:
            raise NotFound(f"there is no {path}")
        nonce = secrets.token_urlsafe(16)
        page = index.replace("<head>", f'<head><meta property="csp-nonce" nonce="{nonce}">', 1)
        return HTMLResponse(page, headers={"cache-control": "no-cache", "content-security-policy": policy(page, nonce)})
