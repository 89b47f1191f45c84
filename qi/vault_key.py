"""The vault's master key: in the keyring of the operating system, or in a file that only its owner may read.

Any thread. Secrets are sealed with AES-256-GCM; what a box belongs to (name, version) is authenticated with it, so none
can be put in the place of another.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from qi.errors import QiError
from qi.home import Home, write_private

SERVICE = "qi vault"
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class VaultKey:
    """The key itself, and where it is kept."""

    _key: bytes
    kept_in: str

    def seal(self, value: str, belongs_to: str) -> str:
        nonce = os.urandom(NONCE_BYTES)
        return base64.b64encode(nonce + AESGCM(self._key).encrypt(nonce, value.encode(), belongs_to.encode())).decode()

    def open(self, box: str, belongs_to: str) -> str:
        """Raises :class:`QiError` when the box was changed, is another's, or was sealed with another key."""
        raw = base64.b64decode(box)
        try:
            return AESGCM(self._key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], belongs_to.encode()).decode()
        except InvalidTag:
            raise QiError(
                "this secret cannot be opened with the vault's key",
                remedy="the key was lost or replaced: put it back from a backup, or store the secret anew",
            ) from None

    def __repr__(self) -> str:
        return f"VaultKey({self.kept_in})"


def vault_key(home: Home) -> VaultKey:
    """The home's key, made when there is none. Raises :class:`QiError`."""
    file = home.keys / "vault.key"
    if file.is_file():  # a key that lies there is the key, whatever came to be installed since
        return VaultKey(_readable(file), str(file))
    ring = _keyring()
    if ring is not None:
        account = str(home.root)
        kept = ring.get_password(SERVICE, account)
        if kept is None:
            kept = _new()
            ring.set_password(SERVICE, account, kept)
        return VaultKey(base64.b64decode(kept), "keyring")
    write_private(file, _new())
    return VaultKey(_readable(file), str(file))


def _new() -> str:
    return base64.b64encode(AESGCM.generate_key(256)).decode()


def _readable(file: Path) -> bytes:
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise QiError(f"others than its owner may read {file}", remedy=f"chmod 600 {file}; then change every secret")
    return base64.b64decode(file.read_text("ascii"))


def _keyring() -> Any:
    """The system's keyring, where the extra `keyring` is installed and a real one is there."""
    try:
        import keyring
        from keyring.backends import fail, null
    except ImportError:
        return None
    backend = keyring.get_keyring()
    return None if isinstance(backend, (fail.Keyring, null.Keyring)) else backend
