"""The commands `muster ca` (init, show, issue; the rest: authority_command.py) and `muster broker` (config, password, keep): docs/trust.md."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from server import authority_command, broker_agent, broker_files, certificates
from server.broker_files import CA, CERTIFICATE, CONF, KEY, TOKEN, Listeners
from server.commands import DONE, open_store, run
from server.errors import StoreError
from server.store import agents, authorities, campus, credentials, endings, gateways, readers, turning
from server.store.engine import writing

PID_FILE = Path("/run/mosquitto/mosquitto.pid")


def ca(argv: Sequence[str]) -> int:
    """`muster ca init|show|issue|next|turn|end|forget`."""
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
    authority_command.add_to(commands)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def broker(argv: Sequence[str]) -> int:
    """`muster broker config|password|keep`."""
    parser = argparse.ArgumentParser(prog="muster broker", description="Mosquitto's configuration and accounts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("config", help="write Mosquitto's configuration, certificate, accounts and access list")
    one.add_argument("folder", type=Path, help="made; its files are then carried to where Mosquitto finds them")
    one.add_argument(
        "--at", type=Path, metavar="FOLDER", help="where that is, such as /etc/mosquitto/muster (the folder)"
    )
    _add_hosts(one)
    one.add_argument("--bind", default="", help="address to listen at (all)")
    one.add_argument("--port", type=int, default=8883, help="TLS and password: Pico W, gateways (8883)")
    one.add_argument("--mutual-port", type=int, default=8884, help="with a client's certificate: Raspberry Pi (8884)")
    one.add_argument("--name", default="broker", help="what the store calls the agent beside this broker")
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
        campus.write_down(connection, store.console(connection), "ca.make", "authority", store.clock.now_ms())
    print(f"The certificate authority is made. SHA-256: {certificates.fingerprint(made.certificate)}")
    return DONE


def _show(_arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        here = store.institution(connection)
        held = authorities.signing(connection, store.vault, here.id)
        ends = endings.every(connection, here.id)
        beside = authority_command.beside(connection, here.id)
    print(certificates.pem(held.certificate).decode(), end="")
    print(f"SHA-256: {certificates.fingerprint(held.certificate)}")
    print("".join(f"{line}\n" for line in beside), end="")
    print("\n".join(authority_command.ends_of(ends, store.clock.now_ms())))
    return DONE


def _issue(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    now_ms = store.clock.now_ms()
    with writing(store.engine) as connection:
        here = store.institution(connection)
        held = authorities.signing(connection, store.vault, here.id)
        trusted = turning.trusted(connection, here.id)
        issued = certificates.issue_broker(held, arguments.host, now_ms)
        ends_ms = endings.note(connection, here.id, arguments.host[0], issued.certificate, now_ms)
        scope, hosts = store.console(connection), " ".join(arguments.host)
        campus.write_down(connection, scope, "ca.issue", "authority", now_ms, hosts=hosts)
        # Before the commit: of a certificate that stands in no file no end is waited for.
        broker_files.make_folder(arguments.out)
        _put_certificate(arguments.out, trusted, issued)
    print(f"{arguments.out}: {CA}, {CERTIFICATE}, {KEY}. It ends {authority_command.day(ends_ms)}")
    return DONE


def _config(arguments: argparse.Namespace) -> int:
    for port in (arguments.port, arguments.mutual_port):
        if not 1 <= port <= 65535:
            raise StoreError("port", "a port is a number from 1 to 65535")
    store = open_store().ready()
    folder = arguments.folder.absolute()
    now_ms = store.clock.now_ms()
    with writing(store.engine) as connection:
        here = store.institution(connection)
        held = authorities.signing(connection, store.vault, here.id)
        trusted = turning.trusted(connection, here.id)
        issued = certificates.issue_broker(held, arguments.host, now_ms)
        ends_ms = endings.note(connection, here.id, arguments.name, issued.certificate, now_ms)
        token = agents.make(connection, here.id, arguments.name, now_ms)
        scope = store.console(connection)
        campus.write_down(connection, scope, "broker.config", "broker", now_ms, name=arguments.name)
        who = credentials.held(connection, here.id)
        # Before the commit: a token that stands in no file is of no use to anybody.
        broker_files.make_folder(folder)
        where = Listeners(port=arguments.port, mutual_port=arguments.mutual_port, bind=arguments.bind)
        at = (arguments.at or folder).absolute()
        broker_files.put(folder, CONF, broker_files.conf(at, where), secret=False)
        _put_certificate(folder, trusted, issued)
        for name, text in broker_files.living(who).items():
            broker_files.put(folder, name, text)
        broker_files.put(folder, TOKEN, token + "\n")
    print(
        f"{folder / CONF}: {len(who)} accounts. Restart Mosquitto with it, and `muster broker keep {at}` beside it. "
        f"Its certificate ends {authority_command.day(ends_ms)}"
    )
    return DONE


def _put_certificate(folder: Path, trusted: Sequence[bytes], issued: certificates.Issued) -> None:
    # Two while one authority follows another: Raspberry Pis show certificates of either.
    broker_files.put(folder, CA, b"".join(map(certificates.pem, trusted)), secret=False)
    broker_files.put(folder, CERTIFICATE, issued.certificate, secret=False)
    broker_files.put(folder, KEY, issued.key)


def _password(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    now_ms = store.clock.now_ms()
    with writing(store.engine) as connection:
        here = store.institution(connection)
        if arguments.gateway is not None:
            made = credentials.make_for_gateway(connection, here.id, arguments.gateway, now_ms)
            subject = f"gateway:{gateways.id_of(connection, here.id, arguments.gateway)}"
        else:
            found = readers.by_name(connection, [arguments.reader]).get(arguments.reader)
            if found is None:
                raise StoreError("reader", f"there is no reader {arguments.reader}: `muster reader list` names them")
            made = credentials.make(connection, here.id, found.id, now_ms, mutual=arguments.mutual)
            subject = f"reader:{found.id}"
        campus.write_down(connection, store.console(connection), "broker.password", subject, now_ms)
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
