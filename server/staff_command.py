"""The commands `muster staff` and `muster gateway add|revoke`: accounts, and tokens that are printed once."""

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
from server.scope import COURSE, DEPARTMENT, INSTITUTION, RESIDENCE_HOUSE, ROLES
from server.store import account_changes, accounts, campus, gateways, held_roles, password_hashes, people, tokens
from server.store.engine import writing


def main(argv: Sequence[str]) -> int:
    """`muster staff add|grant|revoke|token`."""
    parser = argparse.ArgumentParser(prog="muster staff", description="Staff accounts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("add", help="make an account; the password is asked for, or read from --password-file")
    one.add_argument("login")
    one.add_argument("--name", help="shown to other staff (the login)")
    one.add_argument("--role", default="lecturer", help=f"one of {', '.join(ROLES)}")
    _add_where(one)
    one.add_argument("--person", help="external id of the person it is: a lecturer sees the sessions of that person")
    one.add_argument("--password-file", type=Path, help="a file whose first line is the password; - for standard input")
    one.set_defaults(work=_add_staff)
    for name, work, told in (
        ("grant", _grant, "give an account a role"),
        ("revoke", _revoke, "take a role away"),
    ):
        one = commands.add_parser(name, help=f"{told}; whoever is signed in with it signs in again")
        one.add_argument("login")
        one.add_argument("role", help=f"one of {', '.join(ROLES)}")
        _add_where(one)
        one.set_defaults(work=work)
    one = commands.add_parser("token", help="make a bearer token of an account, for programs; printed once")
    one.add_argument("login")
    one.add_argument("--name", default="token", help="what it is for")
    one.set_defaults(work=_add_token)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def _add_where(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--department", metavar="CODE", help="in this department and those below it only")
    where.add_argument("--course", metavar="CODE", help="in this course only")
    where.add_argument("--house", dest="residence", metavar="CODE", help="in this house of the residence only")


def _where(arguments: argparse.Namespace) -> dict[str, str]:
    for kind in (DEPARTMENT, COURSE, RESIDENCE_HOUSE):
        if code := getattr(arguments, kind):
            return {"scope_kind": kind, "scope_code": code}
    return {"scope_kind": INSTITUTION, "scope_code": ""}


def _grant(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    now_ms = store.clock.now_ms()
    with writing(store.engine) as connection:
        scope = store.console(connection)
        account_id = accounts.by_login(connection, scope, arguments.login)
        account_changes.grant(connection, scope, account_id, role=arguments.role, now_ms=now_ms, **_where(arguments))
    print(f"{arguments.login}: {arguments.role}{_said(arguments)}")
    return DONE


def _revoke(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        scope = store.console(connection)
        account_id = accounts.by_login(connection, scope, arguments.login)
        kind, scope_id = held_roles.where(connection, scope, arguments.role, **_where(arguments))
        found = held_roles.held_as(connection, account_id, arguments.role, kind, scope_id)
        account_changes.revoke(connection, scope, account_id, found, store.clock.now_ms())
    print(f"{arguments.login}: no longer {arguments.role}{_said(arguments)}")
    return DONE


def _said(arguments: argparse.Namespace) -> str:
    where = _where(arguments)
    return f" in {where['scope_kind']} {where['scope_code']}" if where["scope_code"] else ""


def _add_staff(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    password_hash = password_hashes.of(PasswordHasher(), _password(arguments.password_file))
    with writing(store.engine) as connection:
        here = store.institution(connection)
        person_id = None
        if arguments.person:
            person_id = people.by_external_id(connection, here.id, arguments.person)
        kind, scope_id = held_roles.where(
            connection, accounts.at_the_console(here.id), arguments.role, **_where(arguments)
        )
        account_id = accounts.make(
            connection,
            here.id,
            login_name=arguments.login,
            shown_name=arguments.name or arguments.login,
            password_hash=password_hash,
            role=arguments.role,
            person_id=person_id,
            now_ms=store.clock.now_ms(),
            scope=kind,
            scope_id=scope_id,
        )
        told = {"role": arguments.role, "where": kind, "where_id": scope_id}
        scope = store.console(connection)
        campus.write_down(connection, scope, "account.add", f"account:{account_id}", store.clock.now_ms(), **told)
    print(f"{arguments.login}: {arguments.role}{_said(arguments)}")
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
        now_ms = store.clock.now_ms()
        token = tokens.make(connection, arguments.login, arguments.name, now_ms)
        scope = store.console(connection)
        account_id = accounts.by_login(connection, scope, arguments.login)
        campus.write_down(connection, scope, "token.make", f"account:{account_id}", now_ms)
    print(token)
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
        now_ms = store.clock.now_ms()
        token = gateways.add(connection, here.id, arguments.name, now_ms)
        subject = f"gateway:{gateways.id_of(connection, here.id, arguments.name)}"
        campus.write_down(connection, store.console(connection), "gateway.add", subject, now_ms)
    print(token)
    return DONE


def gateway_revoke(argv: Sequence[str]) -> int:
    """`muster gateway revoke NAME`: a gateway that was stolen or taken away delivers no more. argv: what follows."""
    parser = argparse.ArgumentParser(
        prog="muster gateway revoke", description="Its token and its account at the broker hold no more."
    )
    parser.add_argument("name")
    arguments = parser.parse_args(argv)
    return run(_revoke_gateway, arguments)


def _revoke_gateway(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        here = store.institution(connection)
        now_ms = store.clock.now_ms()
        subject = f"gateway:{gateways.revoke(connection, here.id, arguments.name, now_ms)}"
        campus.write_down(connection, store.console(connection), "gateway.revoke", subject, now_ms)
    print(
        f"{arguments.name}: its token and its account at the broker hold no more. What waits in its spool stays there"
    )
    return DONE
