"""What a worker writes to its output: read to the end, so that it never waits for room in its pipe, and kept within
bounds, masked. Reads on one thread; :attr:`Words.last` is for any."""

from __future__ import annotations

import codecs
import os
from collections import deque
from pathlib import Path
from typing import IO, TextIO

from qi.masking import mask

FILE_MOST_CHARACTERS = 8 * 1024 * 1024
LINE_LONGEST = 4_000
LINES_KEPT = 20
CHUNK_BYTES = 65_536


class Words:
    """The first part goes to a file, the last lines stay in memory."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=LINES_KEPT)

    @property
    def last(self) -> str:
        """The last lines, masked."""
        return mask("\n".join(self._last))

    def read(self, stream: IO[bytes], kept: Path) -> None:
        """Until the stream's end; appends to the file `kept`."""
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        left, begun, skips = FILE_MOST_CHARACTERS, "", False
        with kept.open("a", encoding="utf-8") as file:
            while chunk := os.read(stream.fileno(), CHUNK_BYTES):
                text = begun + decode(chunk)
                if skips:
                    # A second piece of one line would begin in the middle of a word, which may be a secret.
                    _, newline, text = text.partition("\n")
                    skips = not newline
                whole, _, begun = text.rpartition("\n")
                if len(begun) > LINE_LONGEST:
                    whole, begun, skips = f"{whole}\n{begun}" if whole else begun, "", True
                left = self._take(whole, file, left)
            self._take(begun, file, left)

    def _take(self, lines: str, file: TextIO, left: int) -> int:
        """Keep whole lines; how many characters the file may still take."""
        if not lines:
            return left
        self._last.extend(map(_cut, lines.rsplit("\n", LINES_KEPT)[-LINES_KEPT:]))
        if left > 0:
            left -= file.write(mask("\n".join(map(_cut, lines.split("\n")))) + "\n")
            if left <= 0:
                file.write("… the rest was not kept\n")
            file.flush()
        return left


def _cut(line: str) -> str:
    return line if len(line) <= LINE_LONGEST else line[:LINE_LONGEST] + "…"
