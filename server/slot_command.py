"""The command `muster reader new`: a slot for a room, and its one-time token as text and QR."""

from __future__ import annotations

import argparse
import io

import segno

from server import reader_settings
from server.commands import DONE, open_store
from server.errors import StoreError
from server.store import room_list, slots
from server.store.engine import writing


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the sub-command known to `muster reader`."""
    one = commands.add_parser("new", help="make a slot at a room's door, and the one-time token for `muster provision`")
    one.add_argument("name", nargs="?", help="1 to 32 of a-z, 0-9 and hyphen; without it one like the room's is found")
    one.add_argument("--site", help="the site's name, as in topics (the room's; needed where that is not known)")
    one.add_argument("--new-site", action="store_true", help="make the site if there is none of that name")
    one.add_argument("--room", help="code of the room whose door it will serve")
    one.add_argument("--new-room", action="store_true", help="make the room if there is none with that code")
    one.add_argument(
        "--swap", metavar="READER", help="its board takes over this reader's door, from the moment it claims the slot"
    )
    one.add_argument("--no-qr", action="store_true", help="print no QR code")
    one.set_defaults(work=_make)


def _make(arguments: argparse.Namespace) -> int:
    if bool(arguments.room) == bool(arguments.swap):
        raise StoreError("usage", "say --room ROOM, or --swap READER for the door of a reader that is to be replaced")
    store = open_store().ready()
    # Now, and not when somebody stands before the door with a board.
    reader_settings.of_slots(store.settings.reader_broker)
    with writing(store.engine) as connection:
        scope = store.console(connection)
        if arguments.new_room and arguments.room:
            room_list.ensure(connection, scope, arguments.room, store.clock.now_ms())
        made = slots.make(
            connection,
            scope,
            name=arguments.name,
            room_code=arguments.room,
            site_name=arguments.site,
            new_site=arguments.new_site,
            replaces=arguments.swap,
            now_ms=store.clock.now_ms(),
        )
    address = store.settings.public_url or f"http://{store.settings.host}:{store.settings.port}"
    print(f"{made.reader}, at {made.room_code}")
    print(f"site: {made.site}")
    print(f"token: {made.token}")
    print("good for 15 minutes and one board; it is not shown again")
    if not arguments.no_qr:
        drawn = io.StringIO()
        code(address, made.token).terminal(out=drawn, compact=True)
        print(drawn.getvalue(), end="")
    # Without the token: in a command it would stand in the shell's history and in the list of processes.
    print(f"next: muster provision --port /dev/ttyACM0 --store {address} --token -")
    return DONE


def code(address: str, token: str) -> segno.QRCode:
    """The QR of a token: the store's address, and behind the # (which no browser sends to anybody) the token."""
    return segno.make_qr(f"{address}/doors/slots#{token}", error="m")
