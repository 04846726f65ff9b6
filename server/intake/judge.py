"""Believed or not: the MAC comes first. What fails goes to quarantine beside the good, never in its place."""

from __future__ import annotations

import json
from collections.abc import Sequence

from firmware.contract import statement
from firmware.contract.errors import Malformed
from firmware.contract.mac import MAC_BYTES, Key
from server.intake.desk import Desk, Item, Record
from server.store import readers

#: characters of a health message that are kept
HEALTH_MAX = 4096
_HEX = frozenset("0123456789abcdef")
_STATUS = ("online", "offline")


class Judge:
    """Tells the authentic from the rest."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def find_readers(self, items: Sequence[Item]) -> None:
        """Read the readers that these items name, and their keys."""
        names = {item.reader for item in items}
        names.update(parts[2] for item in items if len(parts := item.line.split("|", 3)) == 4)
        self.desk.known, self.desk.keys = readers.with_keys(self.desk.connection, self.desk.ring, names)
        self.desk.by_id = {found.id: found for found in self.desk.known.values()}
        # In order of their ids: the last one stays.
        self.desk.newest = {
            reader_id: key for (reader_id, _), key in sorted(self.desk.keys.items(), key=lambda k: k[0])
        }

    def _authentic(self, item: Item) -> tuple[readers.Reader, list[str], str, bytes] | None:
        """Reader, fields, MACed text and MAC of a line that its reader's key made; None: it went to quarantine."""
        text, bar, tail = item.line.rpartition("|")
        parts = text.split("|")
        if not bar or len(item.line) > statement.LINE_MAX or len(parts) < 4 or not _is_hex(tail, 2 * MAC_BYTES):
            return self.desk.suspect(item, "statement-form")
        found = self.desk.known.get(parts[2])
        if found is None:
            return self.desk.suspect(item, "reader-unknown")
        if not parts[3].isascii() or not parts[3].isdigit() or len(parts[3]) > 3:
            return self.desk.suspect(item, "statement-form")
        key = self.desk.keys.get((found.id, int(parts[3])))
        if key is None:
            return self.desk.suspect(item, "key-unknown")
        mac = bytes.fromhex(tail)
        if not self.made(key, text.encode("utf-8", "surrogatepass"), mac):
            return self.desk.suspect(item, "mac")
        self.desk.seen.add(found.id)
        return found, parts, text, mac

    def made(self, key: Key, text: bytes, mac: bytes) -> bool:
        """Whether this key made this MAC."""
        return key.made(text, mac)

    def record(self, item: Item) -> Record | None:
        """The authentic record in this item; None: it went to quarantine."""
        authentic = self._authentic(item)
        if authentic is None:
            return None
        found, parts, text, mac = authentic
        said = None
        try:
            said = statement.read(item.line)
            if said.kind not in statement.NUMBERED:
                return self.desk.suspect(item, "not-a-record", authentic=True)
            journal, seq = said.values["journal"], said.values["seq"]
        except Malformed as error:
            # Authentic, and of a form that this store does not know: newer firmware. Its place is taken all the same.
            journal, seq = (parts[4], parts[5]) if len(parts) > 5 else ("", "")
            self.desk.suspect(item, error.code, authentic=True)
            if (
                not _is_hex(journal, 16)
                or not seq.isascii()
                or not seq.isdigit()
                or len(seq) > 18
                or str(int(seq)) != seq
            ):
                return None
            seq = int(seq)
        return Record(item=item, reader=found, journal=journal, seq=seq, text=text, mac=mac, said=said)

    def said(self, item: Item) -> tuple[readers.Reader, statement.Statement] | None:
        """The authentic hello or head in this item; None: it went to quarantine."""
        authentic = self._authentic(item)
        if authentic is None:
            return None
        try:
            said = statement.read(item.line)
        except Malformed as error:
            return self.desk.suspect(item, error.code, authentic=True)
        if said.kind != item.kind:
            return self.desk.suspect(item, "item-kind", authentic=True)
        return authentic[0], said

    def unsigned(self, item: Item) -> None:
        """Status and health: nobody signed them, they are for the eye only."""
        found = self.desk.known.get(item.reader)
        try:
            told = json.loads(item.line)
        except (ValueError, RecursionError):
            return self.desk.suspect(item, f"{item.kind}-form")
        # Nobody signs these: all that says whose they are is the gateway, which speaks for its own institution alone.
        if found is None or found.institution_id != self.desk.institution_id:
            return self.desk.suspect(item, "reader-unknown")
        if not _is_text(told):
            return self.desk.suspect(item, f"{item.kind}-form")
        if not isinstance(told, dict) or (item.kind == "status" and told.get("state") not in _STATUS):
            return self.desk.suspect(item, f"{item.kind}-form")
        values = self.desk.notes.setdefault(found.id, {})
        if item.kind == "status":
            values |= {"status": told["state"], "status_ms": self.desk.now_ms}
        elif len(item.line) <= HEALTH_MAX:
            values |= {"health": json.dumps(told), "health_ms": self.desk.now_ms}
        else:
            return self.desk.suspect(item, "health-form")
        return None


def _is_text(told: object) -> bool:
    """Whether all of it can be written down and shown: JSON can escape halves of characters, which nothing else holds."""
    try:
        json.dumps(told, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_hex(text: str, length: int) -> bool:
    """Whether these are that many lower-case hex digits."""
    return len(text) == length and _HEX.issuperset(text)
