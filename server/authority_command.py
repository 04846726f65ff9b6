"""What of `muster ca` comes later in an authority's life: the next one, a server that is gone, when all ends (docs/trust.md)."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from server import certificates
from server.commands import DONE, open_store
from server.store import endings, turning
from server.store.endings import Ending
from server.store.engine import Connection, writing


def add_to(commands: Any) -> None:
    """Add them to the parsers of `muster ca`."""
    one = commands.add_parser("next", help="make the next authority: readers made from now on know both")
    one.set_defaults(work=_next)
    one = commands.add_parser("turn", help="certificates are issued by the next one from now on")
    one.add_argument(
        "--force", action="store_true", help="also where readers do not know it: these do not connect then"
    )
    one.set_defaults(work=_turn)
    one = commands.add_parser("end", help="the one before is trusted no more")
    one.add_argument("--force", action="store_true", help="also within thirty days of the turn")
    one.set_defaults(work=_end)
    one = commands.add_parser("forget", help="a server that is gone: nobody waits for its next certificate")
    one.add_argument("name", help="as `muster ca show` names it")
    one.set_defaults(work=_forget)


def day(at_ms: int) -> str:
    """`2028-11-22`, UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


def ends_of(found: Iterable[Ending], now_ms: int) -> list[str]:
    """What ends when, in lines."""
    return [_line(one, now_ms) for one in found]


def _line(one: Ending, now_ms: int) -> str:
    left = f"in {int(one.days(now_ms))} days" if one.ends_ms > now_ms else "that is over: make the next now"
    return f"{one.name} ends {day(one.ends_ms)}, {left}"


def beside(connection: Connection, institution_id: int) -> list[str]:
    """What there is beside the authority that signs, and what is to be done, in lines."""
    found = turning.beside(connection, institution_id)
    if found is None:
        return []
    print_ = certificates.fingerprint(found.certificate)
    if found.turned_ms is not None:
        return [
            f"The one before is trusted still: {print_}. `muster ca end` ends it, from {day(turning.CERTIFICATES_MS + found.turned_ms)} on"
        ]
    unaware = turning.unaware_of(connection, institution_id, found.certificate)
    said = f"The next one: {print_}. "
    if unaware:
        return [said + f"{len(unaware)} readers do not know it yet: {', '.join(unaware)}"]
    return [said + "Every reader knows it: `muster ca turn`"]


def _next(_arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        here = store.institution(connection)
        made = turning.prepare(connection, store.vault, store.console(connection), here.name, store.clock.now_ms())
        unaware = turning.unaware_of(connection, here.id, made)
    print(
        f"The next certificate authority is made. SHA-256: {certificates.fingerprint(made)}\n"
        f"{len(unaware)} readers do not know it yet. Run `muster broker config` now, carry its files, and restart broker, "
        "muster-broker and gateways, so that they take both. Then each Pico W becomes a new reader: `muster reader new --swap NAME`, `muster provision --wipe` "
        "with its token, and `muster reader revoke NAME` of the old one; Raspberry Pis learn it within fifteen days. "
        "`muster ca show` counts them"
    )
    return DONE


def _turn(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        unaware = turning.turn(connection, store.console(connection), store.clock.now_ms(), forced=arguments.force)
    if unaware:
        print(f"These do not know it, and connect no more: {', '.join(unaware)}")
    print(
        "Certificates are issued by the next authority from now on. Run `muster broker config`, carry its files, and restart "
        "broker, muster-broker and gateways: until then it shows the old one's. `muster ca issue` for other servers. Make a backup"
    )
    return DONE


def _end(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        turning.end(connection, store.console(connection), store.clock.now_ms(), forced=arguments.force)
    print(
        "The authority before is trusted no more. Run `muster broker config`, carry its files, and restart broker, "
        "muster-broker and gateways, for it to hold there"
    )
    return DONE


def _forget(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        scope = store.console(connection)
        endings.forget(connection, scope, arguments.name, store.clock.now_ms())
    print(f"{arguments.name}: nobody waits for its next certificate")
    return DONE
