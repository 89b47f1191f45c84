"""Whether a network address is this machine's own. Any thread."""

from __future__ import annotations

import ipaddress

import psutil


def is_here(address: str) -> bool:
    """Whether a client that came from `address` is a process of this machine; False for what is no address."""
    try:
        if ipaddress.ip_address(address).is_loopback:
            return True
    except ValueError:
        return False
    return any(address == one.address for addresses in psutil.net_if_addrs().values() for one in addresses)
