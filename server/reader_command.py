"""The command `muster reader`: new, add, adopt, list, move, lost. It writes the readers' settings files (docs/wire.md)."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server import deliveries, kiosk_settings, reader_settings, slot_command
from server.commands import DONE, open_store, run
from server.errors import StoreError
from server.scope import Scope
from server.store import (
    accounts,
    campus,
    cards,
    credentials,
    institutions,
    journals,
    moves,
    quarantines,
    readers,
    releases,
    residence_admin,
    room_list,
    turning,
)
from server.store.engine import Connection, reading, writing


def main(argv: Sequence[str]) -> int:
    """`muster reader new|add|adopt|list|move|lost`."""
    parser = argparse.ArgumentParser(prog="muster reader", description="Readers, their keys and the doors they serve.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    slot_command.add_parser(commands)
    one = commands.add_parser("add", help="make a reader, its key and its settings file")
    one.add_argument("name", nargs="?", help="1 to 32 of a-z, 0-9 and hyphen")
    one.add_argument("--site", default="main", help="the site's name, as in topics")
    one.add_argument("--room", help="code of the room whose door it serves")
    one.add_argument("--new-room", action="store_true", help="make the room if there is none with that code")
    one.add_argument("--from", dest="since", help="since when it serves that door, ISO 8601 (now)")
    one.add_argument("--broker", default="mqtt://127.0.0.1:1883", help="mqtt://[user:password@]host[:port]")
    one.add_argument("--pi", action="store_true", help="a Raspberry Pi: it shows the broker a certificate of its own")
    one.add_argument("--out", type=Path, help="where to write its settings file; it holds secrets")
    one.add_argument("--bulk", type=Path, help="a CSV with the columns name, room and (optional) site, from")
    one.add_argument("--out-dir", type=Path, help="with --bulk: folder for NAME.json each")
    one.add_argument(
        "--kiosk", metavar="HOUSE", help="it is a kiosk of the residence, and serves the house of this code"
    )
    one.add_argument("--new-house", metavar="NAME", help="with --kiosk: make the house, of this name, if there is none")
    one.add_argument("--place", metavar="LAT,LON,RADIUS", help="with --kiosk: its registered place, degrees and metres")
    one.add_argument("--capacity", type=int, default=residence_admin.CAPACITY, help="with --kiosk: slots of its sensor")
    one.add_argument("--sensor-password", type=int, default=0, help="with --kiosk: the sensor's password, a number")
    one.add_argument("--language", default="en", help="with --kiosk: the file of words on its display")
    one.set_defaults(work=_add_readers)
    one = commands.add_parser(
        "adopt", help="make a reader known under the key that its board has: after a restore from an older backup"
    )
    one.add_argument("file", type=Path, help="its settings file, as `muster reader add` made it")
    one.add_argument("--room", help="code of the room whose door it serves")
    one.add_argument("--new-room", action="store_true")
    one.add_argument("--from", dest="since", required=True, help="since when it serves that door, ISO 8601")
    one.add_argument("--kiosk", metavar="HOUSE", help="of a kiosk: code of the house that it serves")
    one.add_argument("--new-house", metavar="NAME", help="with --kiosk: make the house, of this name, if there is none")
    one.add_argument(
        "--out", type=Path, help="of a kiosk: where to write its settings anew if its PIN key is not the store's"
    )
    one.set_defaults(work=_adopt_reader)
    one = commands.add_parser("list", help="every reader and the room whose door it serves")
    one.set_defaults(work=_list_readers)
    one = commands.add_parser("move", help="a reader serves another door from now on")
    one.add_argument("name")
    one.add_argument("--room", help="code of the room; without it the reader serves no door")
    one.add_argument("--new-room", action="store_true")
    one.add_argument("--from", dest="since", help="ISO 8601 (now)")
    one.set_defaults(work=_move_reader)
    one = commands.add_parser(
        "lost", help="declare records lost that nobody has any more: the line goes on behind them"
    )
    one.add_argument("name")
    one.add_argument("journal", help="16 hex digits, as the doors page names it")
    one.add_argument("last", type=int, help="seq of the last record that is lost")
    one.add_argument("--by", required=True, help="login of the technician or administrator who says so")
    one.add_argument("--why", required=True, help="such as: the reader was destroyed")
    one.set_defaults(work=_declare_lost)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def _declare_lost(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    now_ms = store.clock.now_ms()
    with writing(store.engine) as connection:
        here = store.institution(connection)
        found = readers.by_name(connection, [arguments.name]).get(arguments.name)
        if found is None:
            raise StoreError("reader", f"there is no reader {arguments.name}: `muster reader list` names them")
        account_id = accounts.may_declare_lost(connection, here.id, arguments.by, now_ms)
        held = journals.known(connection, found.id, arguments.journal)
        if held is None or arguments.last <= held.up_to:
            raise StoreError(
                "not-lost", "the store has all of that, or never heard of this journal: nothing was changed"
            )
        first = held.up_to + 1
        journals.declare_lost(connection, held, here.id, arguments.last, arguments.why, account_id, now_ms)
        # They answer for it; the line says as well who typed it.
        scope = replace(store.console(connection), account_id=account_id)
        told = {"journal": arguments.journal, "first": first, "last": arguments.last}
        campus.write_down(connection, scope, "reader.lost", f"reader:{found.id}", now_ms, **told)
    print(
        f"{arguments.name}, journal {arguments.journal}: {arguments.last - first + 1} records declared lost, {first} to {arguments.last}"
    )
    return DONE


def _add_readers(arguments: argparse.Namespace) -> int:
    wanted = _wanted(arguments)
    if arguments.kiosk is not None and (arguments.bulk is not None or arguments.room):
        raise StoreError(
            "usage", "--kiosk is for one reader, and for one that serves no door: leave out --bulk and --room"
        )
    place = kiosk_settings.place_in(arguments.place)
    store = open_store().ready()
    vault = store.vault
    broker = reader_settings.broker(arguments.broker)
    now_ms = store.clock.now_ms()
    made = []
    with writing(store.engine) as connection:
        here, scope = store.institution(connection), store.console(connection)
        keys = cards.secrets_for_readers(connection, vault, here.id, now_ms)
        for name, site, room, since, out in wanted:
            if out.exists():
                raise StoreError("file-exists", f"{out} exists already: a reader's settings are never overwritten")
            if arguments.new_room and room:
                room_list.ensure(connection, scope, room, now_ms)
            key_id, secret = readers.add(
                connection,
                vault,
                here.id,
                name=name,
                site_name=site,
                room_code=room,
                from_ms=_epoch_ms(since, now_ms),
                now_ms=now_ms,
            )
            told = reader_settings.told(
                name, site, (key_id, secret), keys, _account(connection, here.id, name, broker, arguments, now_ms)
            )
            trusted = turning.trusted(connection, here.id)
            reader_settings.secured(told, arguments.broker, trusted, now_ms, pi=arguments.pi)
            if "tls" in told["broker"]:
                turning.told(connection, here.id, name, trusted, now_ms)
            reader_settings.updatable(told, releases.keys(connection, here.id))
            _write_down(connection, scope, "reader.add", name, room, now_ms)
            if arguments.kiosk is not None:
                told |= kiosk_settings.place_and_tell(
                    connection, vault, scope, name, arguments, place, _epoch_ms(since, now_ms), now_ms
                )
            made.append((out, told))
        # Before the commit: a key that stands in no settings file is of no use to anybody.
        for out, told in made:
            reader_settings.write(out, told)
    for out, told in made:
        print(f"{told['reader']}: {out}")
    if arguments.kiosk is not None and place is None:
        print(
            "no place is registered for it: each check-in there is kept as “place not known”. Fill in its place on the "
            "house's page, or make it with --place LATITUDE,LONGITUDE,METRES"
        )
    return DONE


def _account(
    connection: Connection,
    institution_id: int,
    name: str,
    broker: dict[str, Any],
    arguments: argparse.Namespace,
    now_ms: int,
) -> dict[str, Any]:
    """The broker with the reader's own account there: a password is made where the broker has TLS and none was given."""
    if "user" in broker or not arguments.broker.startswith("mqtts://"):
        return broker
    reader_id = readers.by_name(connection, [name])[name].id
    made = credentials.make(connection, institution_id, reader_id, now_ms, mutual=arguments.pi)
    return broker | {"user": made.user, "password": made.password}


def _adopt_reader(arguments: argparse.Namespace) -> int:
    try:
        told = json.loads(arguments.file.read_text("utf-8"))
        name, site = str(told["reader"]), str(told["site"])
        key = int(told["key"]["id"]), bytes.fromhex(told["key"]["secret"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError("file", f"{arguments.file} is no reader's settings file that can be read") from error
    if not 1 <= key[0] <= 255 or len(key[1]) != 32:
        raise StoreError("file", f"{arguments.file} holds no key of 32 bytes")
    store = open_store().ready()
    now_ms = store.clock.now_ms()
    ring = readers.KeyRing(store.vault)
    with writing(store.engine) as connection:
        here, scope = store.institution(connection), store.console(connection)
        if arguments.new_room and arguments.room:
            room_list.ensure(connection, scope, arguments.room, now_ms)
        since_ms = _epoch_ms(arguments.since, now_ms)
        readers.add(
            connection,
            store.vault,
            here.id,
            name=name,
            site_name=site,
            room_code=arguments.room,
            from_ms=since_ms,
            now_ms=now_ms,
            key=key,
        )
        anew = kiosk_settings.place_again(
            connection, store.vault, scope, told, arguments.kiosk, arguments.new_house, since_ms, now_ms
        )
        _write_down(connection, scope, "reader.adopt", name, arguments.room, now_ms)
        if anew is not None:
            if arguments.out is None:
                raise StoreError(
                    "pin-key",
                    "the store has another PIN key than this kiosk, so no PIN would be right there: say with --out "
                    "where its settings file goes anew, and put that onto the kiosk",
                )
            reader_settings.write(arguments.out, anew)
        # What it sent meanwhile: some of it may be nowhere else any more.
        waiting = quarantines.of_unknown(connection, name)
        items = [
            deliveries.Item(
                id=str(row.id),
                site=row.site or "",
                reader=name,
                kind="record",
                line=row.content.decode("utf-8", "replace"),
            )
            for row in waiting
        ]
        for start in range(0, len(items), deliveries.ITEMS_MAX):
            part = items[start : start + deliveries.ITEMS_MAX]
            deliveries.deliver(connection, ring, part, institution_id=here.id, gateway_id=None, now_ms=now_ms)
        quarantines.close(connection, [row.id for row in waiting], now_ms)
    print(f"{name}: known again; {len(waiting)} records that it sent meanwhile were looked at again")
    if anew is not None:
        print(f"put {arguments.out} onto the kiosk: it holds the store's PIN key")
    if arguments.kiosk is not None:
        print("fingers that were enrolled since the backup are erased there, and enrolled anew with a new consent")
    return DONE


def _wanted(arguments: argparse.Namespace) -> list[tuple[str, str, str | None, str | None, Path]]:
    if arguments.bulk is None:
        if arguments.name is None:
            raise StoreError("usage", "write muster reader add NAME --out FILE, or --bulk CSV --out-dir DIR")
        if arguments.out is None:
            raise StoreError("usage", "say with --out FILE where the reader's settings file goes")
        return [(arguments.name, arguments.site, arguments.room, arguments.since, arguments.out)]
    if arguments.out_dir is None:
        raise StoreError("usage", "--bulk needs --out-dir")
    try:
        with arguments.bulk.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError("bulk", f"{arguments.bulk} cannot be read: {error}") from error
    found = []
    for number, row in enumerate(rows, start=2):
        name = (row.get("name") or "").strip()
        if not name:
            raise StoreError("bulk", f"{arguments.bulk}, line {number}: no name")
        site, room = (row.get("site") or "").strip() or arguments.site, (row.get("room") or "").strip() or None
        since = (row.get("from") or "").strip() or arguments.since
        found.append((name, site, room, since, arguments.out_dir / f"{name}.json"))
    return found


def _list_readers(_arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with reading(store.engine) as connection:
        for here in institutions.every(connection):
            for row in readers.listed(connection, here.id, store.clock.now_ms()):
                print(f"{row.name:<32}  {row.site:<16}  {row.room_code or '-'}")
    return DONE


def _move_reader(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    now_ms = store.clock.now_ms()
    with writing(store.engine) as connection:
        scope = store.console(connection)
        if arguments.new_room and arguments.room:
            room_list.ensure(connection, scope, arguments.room, now_ms)
        moves.move(
            connection,
            scope,
            arguments.name,
            arguments.room,
            from_ms=_epoch_ms(arguments.since, now_ms),
            now_ms=now_ms,
            bounded=False,
        )
    return DONE


def _write_down(
    connection: Connection, scope: Scope, action: str, name: str, room_code: str | None, now_ms: int
) -> None:
    reader_id = readers.by_name(connection, [name])[name].id
    campus.write_down(connection, scope, action, f"reader:{reader_id}", now_ms, room=room_code)


def _epoch_ms(text: str | None, now_ms: int) -> int:
    if not text:
        return now_ms
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise StoreError("time", f"a time is written 2026-10-05T08:00:00+01:00, not {text!r}") from error
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
