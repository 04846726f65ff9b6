"""What can be set, where it comes from, and its default. docs/settings.md says it for people; a test compares.

Later wins: the default, `[server]` in `muster.toml` of the working folder (keys without the prefix, lower case), the
environment variable.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.errors import BadSetting

#: where each is read from in the environment; spelled out so that it can be searched for
VARIABLES = {
    "database_url": "MUSTER_DATABASE_URL",
    "data_dir": "MUSTER_DATA_DIR",
    "server_key_file": "MUSTER_SERVER_KEY_FILE",
    "host": "MUSTER_HOST",
    "port": "MUSTER_PORT",
    "institution": "MUSTER_INSTITUTION",
    "time_zone": "MUSTER_TIME_ZONE",
    "clock": "MUSTER_CLOCK",
    "secure_cookies": "MUSTER_SECURE_COOKIES",
    "login_hours": "MUSTER_LOGIN_HOURS",
}
FILE = "muster.toml"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The store's settings, checked. VARIABLES says where each is read from."""

    #: sqlite:///path or postgresql://user@host/name
    database_url: str = "sqlite:///./muster-data/muster.db"
    #: folder for what the store keeps beside the database
    data_dir: Path = Path("muster-data")
    #: 32 random bytes as hex, made at first use with mode 0600; lost, no reader's key can be read any more
    server_key_file: Path = Path("muster-data/server.key")
    #: where the server listens
    host: str = "127.0.0.1"
    #: 0: any free port, printed at start
    port: int = 8000
    #: name of the institution that commands act on
    institution: str = "main"
    #: IANA name; given to an institution when it is made
    time_zone: str = "Europe/London"
    #: `key=value` joined by commas: origin_s, offset_s, scale. Empty: the real time. For the simulator only
    clock: str = ""
    #: cookies only over HTTPS: set it wherever the pages are not on loopback
    secure_cookies: bool = False
    #: a login on the web ends after this
    login_hours: int = 12


def load(environ: Mapping[str, str], folder: Path) -> Settings:
    """The settings from `muster.toml` in the folder and the environment.

    Raises BadSetting(`setting-unknown`, `setting-value`, `settings-file`).
    """
    found: dict[str, object] = {}
    path = folder / FILE
    if path.exists():
        try:
            table = tomllib.loads(path.read_text("utf-8")).get("server", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadSetting("settings-file", f"{path} is not TOML: {error}") from error
        for name, value in table.items():
            if name not in Settings.__dataclass_fields__:
                raise BadSetting("setting-unknown", f"{path}: [server] has no setting {name!r}; see docs/settings.md")
            found[name] = value
    for name, variable in VARIABLES.items():
        if variable in environ:
            found[name] = environ[variable]
    if "data_dir" in found:
        data = Path(str(found["data_dir"]))
        found.setdefault("server_key_file", data / "server.key")
        found.setdefault("database_url", f"sqlite:///{data / 'muster.db'}")
    made = Settings(**{name: _value(name, value) for name, value in found.items()})  # type: ignore[arg-type]
    try:
        ZoneInfo(made.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadSetting("setting-value", f"time_zone: there is no IANA time zone {made.time_zone!r}") from error
    if not 0 <= made.port <= 65535 or made.login_hours < 1:
        raise BadSetting("setting-value", "port is 0 to 65535, login_hours at least 1")
    return made


def _value(name: str, value: object) -> object:
    default = Settings.__dataclass_fields__[name].default
    text = str(value)
    if isinstance(default, bool):
        if text.lower() not in ("0", "1", "true", "false", "yes", "no"):
            raise BadSetting("setting-value", f"{name} is yes or no, not {text!r}")
        return text.lower() in ("1", "true", "yes")
    if isinstance(default, int):
        if not text.isascii() or not text.isdigit():
            raise BadSetting("setting-value", f"{name} is a number, not {text!r}")
        return int(text)
    if isinstance(default, Path):
        return Path(text)
    return text
