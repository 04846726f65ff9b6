"""The gateway's settings: flags of `muster gateway run`, or MUSTER_GATEWAY_* in the environment. A flag wins.

`FIELDS` is the only place where a setting's name stands with its meaning; docs/gateway.md lists the same.
"""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from gateway.errors import SettingsError

PREFIX = "MUSTER_GATEWAY_"


class Field(NamedTuple):
    """One setting: flag `--{name}`, variable MUSTER_GATEWAY_{NAME}."""

    name: str
    default: str | None
    help: str


FIELDS = (
    Field("broker", None, "mqtt://user:password@host:port, or mqtts:// for TLS (in the environment, where ps cannot see the password)"),
    Field("store", None, "the store's address: http://host:port"),
    Field("token-file", None, "file with this gateway's token, as `muster gateway add` gave it; read at each request"),
    Field("spool", None, "file of the spool, on a local disk; one for each gateway"),
    Field("name", "g1", "this gateway's name: 1 to 32 of a-z, 0-9 and hyphen"),
    Field("client-id", "", "MQTT client id, and so the broker's session; muster-gateway-{name} if not given"),
    Field("mqtt", "3", "MQTT version: 3 (3.1.1, every broker) or 5"),
    Field("share", "", "group name for shared subscriptions, so that several gateways divide the messages; none: each gets all"),
    Field("ca-file", "", "certificates that a broker with TLS is checked against; the system's if not given"),
    Field("http-host", "127.0.0.1", "address of /metrics, /healthz and /live.json"),
    Field("http-port", "0", "their port; 0: any free one, said in the log as event `ready`"),
    Field("keep-days", "30", "days that forwarded rows are kept for a store that was restored from a backup"),
    Field("log-level", "info", "debug, info, warning or error"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Broker:
    """Where the broker is and who the gateway is to it."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    tls: bool = False
    #: None: the system's
    ca_file: str | None = None
    client_id: str
    #: 3 (meaning 3.1.1) or 5
    mqtt: int = 3
    #: group of a shared subscription, or empty
    share: str = ""

    def __repr__(self) -> str:
        """Without the password: this may come into a trace."""
        return f"Broker({self.host}:{self.port}, client_id={self.client_id})"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that a gateway is told from outside."""

    broker: Broker
    #: http:// or https://, no path
    store: str
    token_file: Path
    spool: Path
    name: str
    http_host: str
    #: 0: any free one
    http_port: int
    keep_days: int
    log_level: str


def parser() -> argparse.ArgumentParser:
    """The command line of `muster gateway run`."""
    made = argparse.ArgumentParser(prog="muster gateway run", description="MQTT in, spooled, forwarded to the store.")
    for field in FIELDS:
        said = "" if field.default in (None, "") else f" (default {field.default})"
        text = f"{field.help}{said}; {_variable(field)}"
        made.add_argument(f"--{field.name}", help=text.replace("%", "%%"), metavar="VALUE")
    return made


def read(argv: list[str], environ: Mapping[str, str]) -> Settings:
    """The settings from flags and environment. Raises SettingsError, which names the flag; argparse exits on others."""
    given = vars(parser().parse_args(argv))
    values: dict[str, str] = {}
    for field in FIELDS:
        value = given[field.name.replace("-", "_")]
        value = environ.get(_variable(field), field.default) if value is None else value
        if value is None:
            raise SettingsError("settings-missing", f"--{field.name} is needed (or {_variable(field)}): {field.help}")
        values[field.name] = value
    name = values["name"]
    if not re.fullmatch(r"[a-z0-9-]{1,32}", name):
        raise _wrong("name", "1 to 32 of a-z, 0-9 and hyphen")
    if not re.fullmatch(r"https?://[^/?#]+/?", values["store"]):
        raise _wrong("store", "http://host:port or https://host:port")
    if values["share"] and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", values["share"]):
        raise _wrong("share", "letters, digits, hyphen and underscore")
    if values["log-level"] not in ("debug", "info", "warning", "error"):
        raise _wrong("log-level", "debug, info, warning or error")
    return Settings(
        broker=_broker(values, name),
        store=values["store"].rstrip("/"),
        token_file=Path(values["token-file"]),
        spool=Path(values["spool"]),
        name=name,
        http_host=values["http-host"],
        http_port=_number(values, "http-port", 0, 65535),
        keep_days=_number(values, "keep-days", 1, 3650),
        log_level=values["log-level"],
    )


_ADDRESS = "mqtt://user:password@host:port, or mqtts://, and in the password %2F for /, %3F for ?, %23 for #"


def _broker(values: Mapping[str, str], name: str) -> Broker:
    try:
        url = urlsplit(values["broker"])
        port = url.port
    except ValueError as error:
        raise _wrong("broker", _ADDRESS) from error
    # An unquoted / ? # in the password ends the host's part of an address early: then the user would be the host.
    rest = url.path.removeprefix("/") + url.query + url.fragment
    if url.scheme not in ("mqtt", "mqtts") or not url.hostname or rest:
        raise _wrong("broker", _ADDRESS)
    tls = url.scheme == "mqtts"
    return Broker(
        host=url.hostname,
        port=port or (8883 if tls else 1883),
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        tls=tls,
        ca_file=values["ca-file"] or None,
        client_id=values["client-id"] or f"muster-gateway-{name}",
        mqtt={"3": 3, "5": 5}.get(values["mqtt"]) or _refuse("mqtt", "3 or 5"),
        share=values["share"],
    )


def _number(values: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = values[name]
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise _wrong(name, f"a number from {least} to {most}")
    return int(text)


def _variable(field: Field) -> str:
    return PREFIX + field.name.upper().replace("-", "_")


def _wrong(name: str, wanted: str) -> SettingsError:
    return SettingsError(f"settings-{name}", f"--{name} must be {wanted}")


def _refuse(name: str, wanted: str) -> int:
    raise _wrong(name, wanted)
