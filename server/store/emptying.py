"""Taking a card's token, or a cell, out of facts. Identity and MAC stay: the fact still is the one that was sealed.

The same bytes stand in the record's text, as the reader sent it: there each becomes `-`. A record that a gateway brings
again afterwards is told from another under the same number by everything else that it says, and by its MAC.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Table, delete, select, update

from firmware.contract.statement import FIELDS
from server.store.schema import record, swipe
from server.store.schema_cards import swipe_message
from server.store.schema_residence import check_in, kiosk_event

#: fields before a statement's own: version, kind, reader, key id
BEFORE = 4
GONE = "-"
#: fact -> its column -> the field of its statement that holds it. Nothing else of a fact is ever emptied
_TOKENS = ("key_id", "token", "key2_id", "token2")
MAY_EMPTY: dict[Table, dict[str, str]] = {
    swipe: dict.fromkeys(_TOKENS, "evidence"),
    check_in: dict.fromkeys(_TOKENS, "evidence")
    | dict.fromkeys(("witness_key_id", "witness_token"), "witness")
    | {"cell": "cell", "fix": "fix"},
    kiosk_event: {"key_id": "subject", "token": "subject", "by_key_id": "by", "by_token": "by"},
}
_KINDS = {swipe: "swipe", check_in: "checkin", kiosk_event: "kiosk"}
CHUNK = 500


def empty(connection: Connection, table: Table, ids: Iterable[int], columns: Iterable[str]) -> int:
    """Empty these columns of these facts, and what they repeat in the records. Returns how many facts.

    Raises KeyError for a column that is part of a fact's identity, or of what it says.
    """
    wanted, names = sorted(set(ids)), list(columns)
    fields = {MAY_EMPTY[table][name] for name in names}
    for start in range(0, len(wanted), CHUNK):
        some = wanted[start : start + CHUNK]
        connection.execute(update(table).where(table.c.id.in_(some)).values(dict.fromkeys(names)))
        if table is swipe and fields:
            # What its card said stands in the same field, and says which card it was.
            connection.execute(delete(swipe_message).where(swipe_message.c.swipe_id.in_(some)))
        for row in connection.execute(select(record.c.id, record.c.text).where(record.c.id.in_(some))).all():
            without = without_fields(row.text, fields)
            if without != row.text:
                connection.execute(update(record).where(record.c.id == row.id).values(text=without))
    return len(wanted)


def without_fields(text: str, fields: Iterable[str]) -> str:
    """A statement's text with these fields taken out."""
    parts = text.split("|")
    names = _names(parts)
    return "|".join(GONE if place in names and names[place] in fields else part for place, part in enumerate(parts))


def is_same(held: str, came: str) -> bool:
    """Whether a text that is held is the one that came, but for what was taken out of it since."""
    parts, others = held.split("|"), came.split("|")
    names, may = _names(parts), {field for fields in MAY_EMPTY.values() for field in fields.values()}
    if len(parts) != len(others):
        return False
    return all(
        one == other or (one == GONE and names.get(place) in may)
        for place, (one, other) in enumerate(zip(parts, others, strict=True))
    )


def _names(parts: list[str]) -> dict[int, str]:
    """Place -> the field's name; of a text that is no statement with facts: none."""
    kind = parts[1] if len(parts) > 1 and parts[1] in _KINDS.values() else ""
    return {BEFORE + place: name for place, (name, _) in enumerate(FIELDS[kind])} if kind else {}
