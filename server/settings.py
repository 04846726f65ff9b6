"""What can be set, where it comes from, and its default. docs/settings.md says it for people; a test compares.

Later wins: the default, `[server]` in `muster.toml` of the working folder (keys without the prefix, lower case), the
environment variable.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
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
    "profiles_dir": "MUSTER_PROFILES_DIR",
    "audit_dir": "MUSTER_AUDIT_DIR",
    "import_dir": "MUSTER_IMPORT_DIR",
    "secure_cookies": "MUSTER_SECURE_COOKIES",
    "login_hours": "MUSTER_LOGIN_HOURS",
    "login_idle_min": "MUSTER_LOGIN_IDLE_MIN",
    "public_url": "MUSTER_PUBLIC_URL",
    "oidc_issuer": "MUSTER_OIDC_ISSUER",
    "oidc_client_id": "MUSTER_OIDC_CLIENT_ID",
    "oidc_client_secret_file": "MUSTER_OIDC_CLIENT_SECRET_FILE",
    "oidc_login_claim": "MUSTER_OIDC_LOGIN_CLAIM",
    "oidc_name": "MUSTER_OIDC_NAME",
    "mail_from": "MUSTER_MAIL_FROM",
    "smtp_host": "MUSTER_SMTP_HOST",
    "smtp_port": "MUSTER_SMTP_PORT",
    "smtp_tls": "MUSTER_SMTP_TLS",
    "smtp_user": "MUSTER_SMTP_USER",
    "smtp_password_file": "MUSTER_SMTP_PASSWORD_FILE",
    "reader_heads_days": "MUSTER_READER_HEADS_DAYS",
    "reader_broker": "MUSTER_READER_BROKER",
    "reader_broker_pi": "MUSTER_READER_BROKER_PI",
    "retention": "MUSTER_RETENTION",
    "retention_file": "MUSTER_RETENTION_FILE",
    "fleet_rules_file": "MUSTER_FLEET_RULES_FILE",
    "alerts_mail": "MUSTER_ALERTS_MAIL",
    "alerts_webhook": "MUSTER_ALERTS_WEBHOOK",
    "alerts_webhook_secret_file": "MUSTER_ALERTS_WEBHOOK_SECRET_FILE",
}
FILE = "muster.toml"
#: registers are looked at again for 30 days (store/evidence.py), and gateways deliver again what is as old
HEADS_DAYS_LEAST = 35


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
    #: folder with the institution's own profiles, and its dated versions of the shipped ones; empty: none
    profiles_dir: Path = Path()
    #: folder, best another machine's, to which the heads of the registers' history are written daily; empty: nowhere
    audit_dir: Path = Path()
    #: folder below which the files of scheduled imports lie; empty: none can be set up
    import_dir: Path = Path()
    #: cookies only over HTTPS: set it wherever the pages are not on loopback
    secure_cookies: bool = False
    #: a login on the web ends after this
    login_hours: int = 12
    #: and after so many minutes without a request of its owner's own
    login_idle_min: int = 120
    #: https://name[:port] under which people reach the pages; empty: what each request says. Passkeys are bound to it
    public_url: str = ""
    #: an OpenID provider's issuer; empty: none
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    #: a file whose first line is the client's secret, readable by its owner alone; empty: a public client
    oidc_client_secret_file: Path = Path()
    #: a claim of the provider's that is the account's login; empty: only accounts that were linked
    oidc_login_claim: str = ""
    #: what people call the account that they have there
    oidc_name: str = "college account"
    #: the address that mails come from
    mail_from: str = "muster@localhost"
    #: the SMTP server that takes mails; empty: they become files in the outbox folder
    smtp_host: str = ""
    #: 0: 587 with starttls, 465 with implicit, 25 with none
    smtp_port: int = 0
    #: starttls, implicit; none only to this very machine
    smtp_tls: str = "starttls"
    #: empty: the server asks for none
    smtp_user: str = ""
    #: a file whose first line is the password, readable by its owner alone
    smtp_password_file: Path = Path()
    #: readers' head statements older than this are thinned to what the promise needs; 0: never
    reader_heads_days: int = 60
    #: mqtt://host[:port] or mqtts://…, as readers reach the broker: what a provisioned reader's settings say; empty: no
    #: slot can be made
    reader_broker: str = ""
    #: the listener that wants a client's certificate, for Raspberry Pis; empty: they use reader_broker, as a Pico does
    reader_broker_pi: str = ""
    #: whether the retention rules are done; look with `muster retention --dry-run` first
    retention: bool = False
    #: the institution's own retention rules, over the shipped ones; empty: those alone
    retention_file: Path = Path()
    #: the institution's own rules of the fleet's alerts, over the shipped ones; empty: those alone
    fleet_rules_file: Path = Path()
    #: the address that mails about alerts go to; empty: none go
    alerts_mail: str = ""
    #: https address to which alerts are posted as JSON; empty: nowhere
    alerts_webhook: str = ""
    #: a file whose first line signs what is posted, readable by its owner alone; empty: it is not signed
    alerts_webhook_secret_file: Path = Path()


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
    if not 0 <= made.port <= 65535 or made.login_hours < 1 or made.login_idle_min < 1:
        raise BadSetting("setting-value", "port is 0 to 65535, login_hours and login_idle_min at least 1")
    for name in ("public_url", "oidc_issuer", "alerts_webhook"):
        _need_https(name, getattr(made, name))
    if bool(made.oidc_issuer) != bool(made.oidc_client_id):
        raise BadSetting("setting-value", "oidc_issuer and oidc_client_id are set together, or neither")
    _need_mail(made)
    _need_alerts(made)
    if 0 < made.reader_heads_days < HEADS_DAYS_LEAST:
        raise BadSetting("setting-value", f"reader_heads_days is 0 or at least {HEADS_DAYS_LEAST}")
    return made


def _need_mail(made: Settings) -> None:
    """Raises BadSetting(`setting-value`) unless mails can be sent as it says."""
    if made.mail_from.count("@") != 1 or not made.mail_from.isascii() or any(one <= " " for one in made.mail_from):
        raise BadSetting("setting-value", f"mail_from is one address, not {made.mail_from!r}")
    if made.smtp_tls not in ("starttls", "implicit", "none") or made.smtp_port > 65535:
        raise BadSetting("setting-value", "smtp_tls is starttls, implicit or none, smtp_port at most 65535")
    if made.smtp_host and made.smtp_tls == "none" and made.smtp_host not in ("localhost", "127.0.0.1", "::1"):
        raise BadSetting("setting-value", "smtp_tls is none only where smtp_host is this machine: names go through it")
    if bool(made.smtp_user) != (made.smtp_password_file != Path()):
        raise BadSetting("setting-value", "smtp_user and smtp_password_file are set together, or neither")


def _need_alerts(made: Settings) -> None:
    """Raises BadSetting(`setting-value`) unless alerts can go where it says."""
    address = made.alerts_mail
    if address and (
        address.count("@") != 1 or not address.isascii() or any(one <= " " or one == "," for one in address)
    ):
        raise BadSetting("setting-value", f"alerts_mail is one address, not {address!r}")
    if made.alerts_webhook_secret_file != Path() and not made.alerts_webhook:
        raise BadSetting("setting-value", "alerts_webhook_secret_file is set together with alerts_webhook")


def _need_https(name: str, address: str) -> None:
    """Raises BadSetting(`setting-value`) unless it is empty, https, or on this very machine."""
    try:
        parts = urlsplit(address)
        local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
        good = not address or (bool(parts.hostname) and (parts.scheme == "https" or local))
    except ValueError:
        good = False
    if not good or (address.endswith("/") and name == "public_url"):
        raise BadSetting("setting-value", f"{name} is an address https://…, not {address!r}")


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
