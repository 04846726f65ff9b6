"""The commands `muster staff` and `muster gateway add`: accounts, and tokens that are printed once."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from argon2 import PasswordHasher

from firmware.contract.topics import is_name
from server.commands import DONE, open_store, run
from server.errors import StoreError
from server.scope import ROLES
from server.store import logins, people
from server.store.engine import writing


def main(argv: Sequence[str]) -> int:
    """`muster staff add|token`."""
    parser = argparse.ArgumentParser(prog="muster staff", description="Staff accounts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("add", help="make an account; the password is asked for, or read from --password-file")
    one.add_argument("login")
    one.add_argument("--name", help="shown to other staff (the login)")
    one.add_argument("--role", default="lecturer", help=f"one of {', '.join(ROLES)}")
    one.add_argument("--person", help="external id of the person it is: a lecturer sees the sessions of that person")
    one.add_argument("--password-file", type=Path, help="a file whose first line is the password; - for standard input")
    one.set_defaults(work=_add_staff)
    one = commands.add_parser("token", help="make a bearer token of an account, for programs; printed once")
    one.add_argument("login")
    one.add_argument("--name", default="token", help="what it is for")
    one.set_defaults(work=_add_token)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def _add_staff(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    password = _password(arguments.password_file)
    with writing(store.engine) as connection:
        here = store.institution(connection)
        person_id = None
        if arguments.person:
            person_id = people.by_external_id(connection, here.id, arguments.person)
        logins.add_account(
            connection,
            PasswordHasher(),
            here.id,
            login_name=arguments.login,
            shown_name=arguments.name or arguments.login,
            password=password,
            role=arguments.role,
            person_id=person_id,
            now_ms=store.clock.now_ms(),
        )
    print(f"{arguments.login}: {arguments.role}")
    return DONE


def _password(path: Path | None) -> str:
    if path is None:
        return getpass.getpass("Password: ")
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError("password-file", f"{path} cannot be read") from error
    return text.split("\n", 1)[0].rstrip("\r")


def _add_token(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        print(logins.add_token(connection, arguments.login, arguments.name, store.clock.now_ms()))
    return DONE


def gateway(argv: Sequence[str]) -> int:
    """`muster gateway add NAME`: makes a gateway's token and prints it, once. argv: what follows `gateway add`."""
    parser = argparse.ArgumentParser(prog="muster gateway add", description="Make a gateway's token; printed once.")
    parser.add_argument("name", help="1 to 32 of a-z, 0-9 and hyphen")
    arguments = parser.parse_args(argv)
    return run(_add_gateway, arguments)


def _add_gateway(arguments: argparse.Namespace) -> int:
    if not is_name(arguments.name):
        raise StoreError("gateway-name", "a gateway is named with 1 to 32 of a-z, 0-9 and hyphen")
    store = open_store().ready()
    with writing(store.engine) as connection:
        here = store.institution(connection)
        print(logins.add_gateway(connection, here.id, arguments.name, store.clock.now_ms()))
    return DONE
