"""What a start was asked to do: command line > environment > `.env` > TOML > defaults; frozen afterwards."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from qi.errors import Invalid

TOML_FILE = "qi.toml"


def default_home() -> Path:
    """A machine-local folder: the log must not lie on a network file system."""
    return user_data_path("qi", appauthor=False, roaming=False)


class LaunchConfig(BaseSettings):
    """Every field can be given as `--field`, as `QI_FIELD`, in `.env`, or in `qi.toml`."""

    model_config = SettingsConfigDict(
        env_prefix="QI_", env_file=".env", toml_file=TOML_FILE, extra="ignore", frozen=True
    )

    home: Path = Field(default_factory=default_home)
    """The studio's folder."""
    connect: str = ""
    """URL of a running studio to join instead of this home's; then no service is started."""
    connect_ca: Path | None = None
    """PEM file to trust that studio's certificate by; `qi serve --listen` says where it lies."""
    broker: str = ""
    """URL of a broker that was started with `nats-server -c nats.conf`, in the place of the embedded one; the studio
    reads its keys from the variables that `nats.conf` names."""
    broker_ca: Path | None = None
    """PEM file to trust that broker's certificate by, where it has one of its own making."""
    listen: str = ""
    """`HOST:PORT` at which other machines reach this studio, with TLS; empty: this machine only."""
    allow: Annotated[tuple[str, ...], NoDecode] = ()
    """Networks or addresses of the machines that may connect, separated by commas; this machine always may."""
    http: str = "127.0.0.1:8710"
    """`HOST:PORT` of the Command Center's server beside a studio that is served; `off`: none. Other interfaces than the
    loopback one get TLS."""
    names: Annotated[tuple[str, ...], NoDecode] = ()
    """Names by which browsers may ask that server, beside this machine's own, separated by commas."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    """PEM files of the studio's own certificate; without them Qi makes one."""
    project: str = ""
    """Project to work in; `default_project` when empty."""
    default_project: str = ""
    addon_paths: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders that hold addon folders, beside the bundled ones; separated like PATH."""
    addon_isolation: Literal["declared", "thread", "process"] = "declared"
    """Where addons run: as each declares, or all of them in one way."""
    safe_mode: bool = False
    """Start no addon but the providers: for when one of them does harm."""
    headless: bool = False
    """Never open a window or ask a question."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("addon_paths", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(p for p in value.split(os.pathsep) if p) if isinstance(value, str) else value

    @field_validator("allow", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        given = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        return tuple(str(ip_network(part, strict=False)) for part in given)

    @field_validator("names", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        host, colon, port = value.rpartition(":")
        if value and not (colon and host and port.isdecimal() and 0 < int(port) < 65_536):
            raise ValueError("is not of the form HOST:PORT, like 0.0.0.0:4222")
        return value

    @field_validator("http")
    @classmethod
    def _http_address(cls, value: str) -> str:
        return value if value in ("", "off") else cls._address(value)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def working_project(self) -> str:
        return self.project or self.default_project


def read_launch_config(**from_command_line: Any) -> LaunchConfig:
    """The launch config; values that are None were not given. Raises :class:`Invalid` with the fields."""
    given = {key: value for key, value in from_command_line.items() if value is not None}
    try:
        config = LaunchConfig(**given)
    except ValidationError as error:
        fields = {".".join(map(str, item["loc"])): item["msg"] for item in error.errors(include_url=False)}
        where = "; ".join(f"{path}: {what}" for path, what in fields.items())
        raise Invalid(f"the launch configuration is not valid: {where}", fields=fields) from error
    return config.model_copy(update={"home": config.home.expanduser().resolve()})
