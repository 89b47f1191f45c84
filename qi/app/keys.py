"""The secrets a broker and its studio share: two passwords, and the key that answers for everybody else. Any thread."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field

from qi.callout import Issuer
from qi.credentials import Credentials
from qi.errors import Invalid

VARIABLES = {
    "service": "QI_NATS_SERVICE_PASSWORD",
    "system": "QI_NATS_SYSTEM_PASSWORD",
    "seed": "QI_NATS_ISSUER_SEED",
}
ISSUER = "QI_NATS_ISSUER"


@dataclass(frozen=True, slots=True)
class BrokerKeys:
    """All of them secret."""

    service: str = field(repr=False)
    system: str = field(repr=False)
    seed: str = field(repr=False)
    """32 bytes in hexadecimal."""

    def for_broker(self) -> dict[str, str]:
        """The variables that `nats.conf` reads, but for its address."""
        return {
            VARIABLES["service"]: self.service,
            VARIABLES["system"]: self.system,
            ISSUER: Issuer(self.seed).public,
        }

    def for_studio(self) -> dict[str, str]:
        """The variables that a studio on a broker of its own reads."""
        return {VARIABLES[name]: getattr(self, name) for name in VARIABLES}


class Reached:
    """A broker by its address and its keys."""

    url: str
    """For this machine."""
    ca: str = ""
    """PEM file of the certificate to trust; empty without TLS or for one that is known everywhere."""
    keys: BrokerKeys

    @property
    def service(self) -> Credentials:
        """Of the studio's services."""
        return Credentials(self.url, "service", self.keys.service, self.ca)

    @property
    def system(self) -> Credentials:
        """Of the gate's hold on connections."""
        return Credentials(self.url, "system", self.keys.system, self.ca)


def new_keys() -> BrokerKeys:
    """Fresh ones."""
    # nats-server parses a variable's value like a value in its file: a leading letter keeps it a string.
    return BrokerKeys("q" + secrets.token_hex(24), "q" + secrets.token_hex(24), secrets.token_hex(32))


def given_keys(url: str) -> BrokerKeys:
    """Those of the broker at `url`, from the environment. Raises :class:`Invalid` naming what is missing or wrong."""
    found = {name: os.environ.get(variable, "") for name, variable in VARIABLES.items()}
    missing = [VARIABLES[name] for name, value in found.items() if not value]
    if missing:
        raise Invalid(
            f"the broker at {url} cannot be used without {', '.join(missing)}",
            remedy="`qi broker-keys` makes a set; nats-server and `qi serve` need the same",
        )
    try:
        Issuer(found["seed"])
    except ValueError as error:
        raise Invalid(f"{VARIABLES['seed']} is not a seed: 64 hexadecimal digits", remedy="`qi broker-keys`") from error
    return BrokerKeys(**found)
