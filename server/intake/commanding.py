"""Commands go down with the answer to a delivery: that of a gateway whose broker has the reader, as its site says."""

from __future__ import annotations

from firmware.contract import statement
from server.intake.desk import Desk
from server.store import reader_commands, readers
from server.store.readers import Reader

#: what stands where a command has no argument
NONE = "none"


class Commanding:
    """Says what waits, once."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def say(self) -> None:
        """The commands of readers at the sites from which something authentic came; of a reader with no key none."""
        desk = self.desk
        sites = {desk.by_id[one].site for one in desk.seen}
        if not sites:
            return
        waiting = [
            row
            for row in reader_commands.waiting(desk.connection, desk.institution_id, desk.now_ms)
            if row.site in sites
        ]
        if not waiting:
            return
        every = {
            row.reader_id: Reader(
                id=row.reader_id, institution_id=desk.institution_id, name=row.name, site=row.site, ended_ms=None
            )
            for row in waiting
        }
        held = readers.keys(desk.connection, desk.ring, every.values())
        newest = {reader_id: key for (reader_id, _), key in sorted(held.items(), key=lambda one: one[0])}
        gone = []
        for row in waiting:
            key = newest.get(row.reader_id)
            if key is None:
                continue
            values = {"counter": row.counter, "name": row.command, "argument": NONE}
            text = statement.say("command", row.name, key.id, values)
            line = statement.seal(text, key.mac(text.encode()))
            desk.answer.down.append({"site": row.site, "reader": row.name, "kind": "command", "line": line})
            gone.append(row.id)
        if gone:
            reader_commands.sent(desk.connection, gone, desk.now_ms)
