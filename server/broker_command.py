"""The commands `muster ca` (init, show, issue) and `muster broker` (config, password, keep): docs/trust.md."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from server import broker_agent, broker_files, certificates
from server.broker_files import CA, CERTIFICATE, CONF, KEY, TOKEN, Listeners
from server.commands import DONE, open_store, run
from server.errors import StoreError
from server.store import agents, authorities, credentials, readers
from server.store.engine import writing

PID_FILE = Path("/run/mosquitto/mosquitto.pid")


def ca(argv: Sequence[str]) -> int:
    """`muster ca init|show|issue`."""
    parser = argparse.ArgumentParser(prog="muster ca", description="The institution's own certificate authority.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("init", help="make it, once: its key stays in the store, sealed under the server key")
    one.set_defaults(work=_init)
    one = commands.add_parser("show", help="its certificate and fingerprint")
    one.set_defaults(work=_show)
    one = commands.add_parser("issue", help="a certificate and key for a server of yours, such as a second broker")
    one.add_argument("out", type=Path, help="folder; it gets ca.crt, broker.crt and broker.key")
    _add_hosts(one)
    one.set_defaults(work=_issue)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def broker(argv: Sequence[str]) -> int:
    """`muster broker config|password|keep`."""
    parser = argparse.ArgumentParser(prog="muster broker", description="Mosquitto's configuration and accounts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("config", help="write Mosquitto's configuration, certificate, accounts and access list")
    one.add_argument("folder", type=Path, help="where Mosquitto finds them later, such as /etc/mosquitto/muster")
    _add_hosts(one)
    one.add_argument("--bind", default="", help="address to listen at (all)")
    one.add_argument("--port", type=int, default=8883, help="TLS and password: Pico W, gateways (8883)")
    one.add_argument("--mutual-port", type=int, default=8884, help="with a client's certificate: Raspberry Pi (8884)")
    one.add_argument("--name", default="broker", help="what the store calls the agent beside this broker")
    one.add_argument("--owner", help="user who gets the files, where the command runs as root: mosquitto")
    one.set_defaults(work=_config)
    one = commands.add_parser("password", help="a new password at the broker for a gateway or reader; printed once")
    who = one.add_mutually_exclusive_group(required=True)
    who.add_argument("--gateway", metavar="NAME")
    who.add_argument("--reader", metavar="NAME")
    one.add_argument("--mutual", action="store_true", help="of a reader: taken only with a client's certificate")
    one.set_defaults(work=_password)
    one = commands.add_parser("keep", help="beside the broker: bring it every change of who may speak, until Ctrl-C")
    one.add_argument("folder", type=Path, help="as `muster broker config` made it")
    one.add_argument("--store", required=True, help="the store's address: http://host:port or https://host:port")
    one.add_argument("--ca-file", type=Path, help="certificates that the store's are checked against")
    one.add_argument("--pid-file", type=Path, default=PID_FILE, help=f"Mosquitto's pid_file ({PID_FILE})")
    one.set_defaults(work=_keep)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def _add_hosts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", action="append", default=[], help="name or address under which readers reach it; several are allowed"
    )


def _init(_arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        here = store.institution(connection)
        made = authorities.make(connection, store.vault, here.id, here.name, store.clock.now_ms())
    print(f"The certificate authority is made. SHA-256: {certificates.fingerprint(made.certificate)}")
    return DONE


def _show(_arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        held = authorities.signing(connection, store.vault, store.institution(connection).id)
    print(certificates.pem(held.certificate).decode(), end="")
    print(f"SHA-256: {certificates.fingerprint(held.certificate)}")
    return DONE


def _issue(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        held = authorities.signing(connection, store.vault, store.institution(connection).id)
    issued = certificates.issue_broker(held, arguments.host, store.clock.now_ms())
    arguments.out.mkdir(parents=True, exist_ok=True)
    _put_certificate(arguments.out, held, issued, None)
    print(f"{arguments.out}: {CA}, {CERTIFICATE}, {KEY}")
    return DONE


def _config(arguments: argparse.Namespace) -> int:
    owner = _owner(arguments.owner)
    for port in (arguments.port, arguments.mutual_port):
        if not 1 <= port <= 65535:
            raise StoreError("port", "a port is a number from 1 to 65535")
    store = open_store().ready()
    folder = arguments.folder.absolute()
    now_ms = store.clock.now_ms()
    with writing(store.engine) as connection:
        here = store.institution(connection)
        held = authorities.signing(connection, store.vault, here.id)
        issued = certificates.issue_broker(held, arguments.host, now_ms)
        token = agents.make(connection, here.id, arguments.name, now_ms)
        who = credentials.held(connection, here.id)
        # Before the commit: a token that stands in no file is of no use to anybody.
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        where = Listeners(port=arguments.port, mutual_port=arguments.mutual_port, bind=arguments.bind)
        broker_files.put(folder, CONF, broker_files.conf(folder, where), secret=False, owner=owner)
        _put_certificate(folder, held, issued, owner)
        for name, text in broker_files.living(who).items():
            broker_files.put(folder, name, text, owner=owner)
        broker_files.put(folder, TOKEN, token + "\n", owner=owner)
    print(
        f"{folder / CONF}: {len(who)} accounts. Restart Mosquitto with it, and `muster broker keep {folder}` beside it."
    )
    return DONE


def _put_certificate(
    folder: Path, held: certificates.Authority, issued: certificates.Issued, owner: tuple[int, int] | None
) -> None:
    broker_files.put(folder, CA, certificates.pem(held.certificate), secret=False, owner=owner)
    broker_files.put(folder, CERTIFICATE, issued.certificate, secret=False, owner=owner)
    broker_files.put(folder, KEY, issued.key, owner=owner)


def _owner(name: str | None) -> tuple[int, int] | None:
    if name is None:
        return None
    try:
        found = pwd.getpwnam(name)
    except KeyError as error:
        raise StoreError("owner", f"there is no user {name} on this machine: leave out --owner") from error
    return found.pw_uid, found.pw_gid


def _password(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    now_ms = store.clock.now_ms()
    with writing(store.engine) as connection:
        here = store.institution(connection)
        if arguments.gateway is not None:
            made = credentials.make_for_gateway(connection, here.id, arguments.gateway, now_ms)
        else:
            found = readers.by_name(connection, [arguments.reader]).get(arguments.reader)
            if found is None:
                raise StoreError("reader", f"there is no reader {arguments.reader}: `muster reader list` names them")
            made = credentials.make(connection, here.id, found.id, now_ms, mutual=arguments.mutual)
    print(f"{made.user}:{made.password}")
    return DONE


def _keep(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    path = arguments.folder / TOKEN
    try:
        token = path.read_text("ascii").strip()
        if os.stat(path).st_mode & 0o077:
            raise StoreError("file", f"{path} may be read by others: chmod 600 {path}")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError("file", f"{path} cannot be read: `muster broker config` makes it") from error
    with contextlib.suppress(KeyboardInterrupt):
        broker_agent.keep(arguments.folder, arguments.store, token, arguments.pid_file, arguments.ca_file)
    return DONE
