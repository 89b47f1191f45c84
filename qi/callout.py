"""What nats-server asks about a connection, and how it is answered: the auth callout protocol (ADR-26).

The server sends a JWT with what the client presented; the answer is a JWT signed with the key that `nats.conf` names as
issuer, which holds either an error or the rights of this one connection (themselves a JWT). Pure; any thread.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import time
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from qi.errors import BadRequest
from qi.rights import Rights

SUBJECT = "$SYS.REQ.USER.AUTH"
ACCOUNT = "QI"
"""The account of `nats.conf` in which everybody but the system user speaks."""

_ACCOUNT_KEY = 0
"""Prefix of an account's public key: its text begins with `A`."""
_ANSWER_ONCE = {"max": 1, "ttl": 600_000_000_000}
"""Whoever is asked may answer once, for ten minutes (nanoseconds), wherever else it may publish."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A connection that wants in."""

    session: str
    secret: str
    address: str
    """IP address of the client."""
    server: str
    """Id of the server it came to."""
    client: int
    """Its number there."""
    key: str
    """Public key that the server made up for this connection; the answer names it."""


class Issuer:
    """Signs answers. The seed is 32 bytes in hexadecimal."""

    def __init__(self, seed: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.public = _nkey(_ACCOUNT_KEY, raw)
        """As `nats.conf` wants it."""

    def permit(self, asking: Asking, rights: Rights, until: int) -> bytes:
        """Let it in with these rights until `until` (seconds since the epoch; 0: for as long as it likes)."""
        user: dict[str, Any] = {
            "aud": ACCOUNT,
            "name": asking.session,
            "sub": asking.key,
            "nats": {
                "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
                "pub": {"allow": list(rights.publish)}, "sub": {"allow": list(rights.subscribe)}, "resp": _ANSWER_ONCE,
            },
        }  # fmt: skip
        if until:
            user["exp"] = until
        return self._answer(asking, {"jwt": self._signed(user)})

    def refuse(self, asking: Asking, reason: str) -> bytes:
        """Keep it out. The reason goes to the server's log; the client learns nothing."""
        return self._answer(asking, {"error": reason})

    def _answer(self, asking: Asking, said: dict[str, str]) -> bytes:
        body = {"type": "authorization_response", "version": 2, **said}
        return self._signed({"aud": asking.server, "sub": asking.key, "nats": body}).encode()

    def _signed(self, claims: dict[str, Any]) -> str:
        claims = {"iss": self.public, "iat": int(time.time()), **claims}
        digest = hashlib.sha512(json.dumps(claims, sort_keys=True).encode()).digest()[:32]
        claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
        signed = f"{_packed({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_packed(claims)}"
        return f"{signed}.{_text(self._key.sign(signed.encode()))}"


def read(request: bytes) -> Asking:
    """What the server asks. Raises :class:`BadRequest`. Who may publish it is the server alone: it is not proved."""
    try:
        body = request.decode().split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["nats"]
        options, client = said["connect_opts"], said["client_info"]
        return Asking(
            session=str(options.get("user", "")),
            secret=str(options.get("pass", "")),
            address=str(client.get("host", "")),
            server=str(said["server_id"]["id"]),
            client=int(client["id"]),
            key=str(said["user_nkey"]),
        )
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise BadRequest(f"not a question of the broker: {error!r}") from error


def _nkey(kind: int, raw: bytes) -> str:
    body = bytes([kind << 3]) + raw
    return base64.b32encode(body + struct.pack("<H", _crc16(body))).decode().rstrip("=")


def _crc16(data: bytes) -> int:
    """CRC-16/XMODEM, as nkeys have it."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021) & 0xFFFF if crc & 0x8000 else (crc << 1) & 0xFFFF
    return crc


def _packed(claims: dict[str, Any]) -> str:
    return _text(json.dumps(claims, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
