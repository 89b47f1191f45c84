"""The signed head: how far the log had come, kept outside its file, so that cutting off its tail is found.

`head.json` holds position, hash and an HMAC-SHA256 under a key that only the owner can read. It may lag behind the
log, never run ahead of it. Whoever can read the key can sign: the code of the same OS user is inside that boundary.
"""

from __future__ import annotations

import hmac
import os
import stat
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from events.chain import compare
from events.disk import write_atomically
from events.errors import CorruptLog, Forbidden
from events.record import BEFORE_FIRST, Position
from events.store import EventReader, Head

KEY_BYTES = 32
_REMEDY = "Restore the head beside its log from a backup, or take the log as it stands with 'qi log adopt'."


@dataclass(frozen=True)
class _Signed:
    position: int
    hash: str
    mac: str


_decoder = msgspec.json.Decoder(_Signed)


class HeadFile:
    """The signed head of one log. One writer's thread; reading is for any thread.

    The key is made, owner-only, at the first signature. Raises :class:`Forbidden` when others can read it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "head.json"
        self._key = folder / "head.key"

    def read(self) -> Head | None:
        """The head last signed, or None when there is none. Raises :class:`CorruptLog` for one not of this key."""
        if not self._path.exists():
            return None
        try:
            found = _decoder.decode(self._path.read_bytes())
        except msgspec.DecodeError as error:
            raise _corrupt(f"the signed head '{self._path}' cannot be read: {error}") from error
        if not self._key.exists():
            raise _corrupt(f"the key '{self._key}' of the signed head is gone")
        if not hmac.compare_digest(found.mac.encode(), self._mac(found.position, found.hash).encode()):
            raise _corrupt(f"the signed head '{self._path}' was not signed with the key of this log")
        return Head(Position(found.position), found.hash)

    def write(self, head: Head) -> None:
        """Sign a head that is durable in the log. Durable itself on return."""
        if not self._key.exists():
            write_atomically(self._key, os.urandom(KEY_BYTES), mode=0o600)
        signed = _Signed(head.position, head.hash, self._mac(head.position, head.hash))
        write_atomically(self._path, msgspec.json.encode(signed))

    def require(self, reader: EventReader) -> None:
        """Compare the log with its signed head. Raises :class:`CorruptLog`, also for a log that lost its head."""
        signed = self.read()
        if signed is not None:
            compare(reader, signed)
        elif reader.head().position > BEFORE_FIRST:
            raise _corrupt(f"the log has events, but its signed head '{self._path}' is gone")

    def _mac(self, position: int, proof: str) -> str:
        if sys.platform != "win32" and stat.S_IMODE(self._key.stat().st_mode) & 0o077:
            raise Forbidden(
                f"others than its owner may use the key '{self._key}'", remedy=f"Run: chmod 600 '{self._key}'"
            )
        return hmac.new(self._key.read_bytes(), f"{position}\n{proof}".encode(), sha256).hexdigest()


def _corrupt(message: str) -> CorruptLog:
    return CorruptLog(message, remedy=_REMEDY, position=0)
