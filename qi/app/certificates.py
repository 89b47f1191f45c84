"""The certificate of what other machines may reach: the studio's own, or one that Qi makes. Any thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qi.app.launch import LaunchConfig
from qi.errors import Invalid
from qi.home import Home


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files."""

    file: Path
    key: Path
    authority: Path
    """What a client trusts it by: this file is no secret."""


def certificate_for(config: LaunchConfig, home: Home, host: str, name: str) -> Certificate:
    """The one that the launch config gives; without any, one made for this machine as it is now. `host` is where it
    listens; each that listens has files of its own, called `name`. Raises :class:`Invalid` when it cannot be used."""
    if config.tls_cert or config.tls_key:
        return _given(Path(config.tls_cert or ""), Path(config.tls_key or ""))
    # Here and not above: a studio that nobody else reaches needs nothing that makes certificates.
    from qi.app.tls import made

    return made(home, host, name)


def _given(file: Path, key: Path) -> Certificate:
    for path in (file, key):
        if not path.is_file():
            raise Invalid(f"{path} is not there", remedy="--tls-cert and --tls-key name two PEM files")
    # A chain ends with what it is trusted by, as far as it is not known everywhere.
    return Certificate(file, key, file)
