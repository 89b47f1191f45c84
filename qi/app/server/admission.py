"""Who may knock at all: from which machines, and under which names of this one. Any thread."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from qi.errors import Forbidden
from qi.here import is_here

_is_here = lru_cache(maxsize=1024)(is_here)


class Admission:
    """A page of another site may let its own name lead to this machine, and ask in its visitor's browser: so a name
    that is none of this server's is refused. Addresses cannot be made to lead elsewhere."""

    def __init__(self, allow: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        """`allow` are networks of other machines; `names` those by which browsers may ask, beside this machine's."""
        self._allow = [ipaddress.ip_network(one) for one in allow]
        own = ("localhost", socket.gethostname(), socket.getfqdn())
        self._names = {name.casefold().rstrip(".") for name in (*own, *names) if name}

    def require(self, scope: MutableMapping[str, Any], client: str) -> None:
        """Raises :class:`Forbidden`."""
        if not self.lets_in(client):
            raise Forbidden("this machine may not connect", remedy="whoever serves the studio names it: --allow")
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        if not self._is_own(host):
            raise Forbidden(
                f"'{host[:100]}' is no name of this server", remedy="whoever serves the studio names it: --name"
            )

    def lets_in(self, client: str) -> bool:
        """Whether a machine may connect, whatever it asks."""
        return _is_here(client) or self._is_allowed(client)

    def _is_allowed(self, client: str) -> bool:
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)  # how a socket of both families has it
        return any((mapped or address) in network for network in self._allow)

    def _is_own(self, host: str) -> bool:
        try:
            name = "" if "@" in host else urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name.rstrip(".") in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
