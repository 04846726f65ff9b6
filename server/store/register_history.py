"""A register's history as a page reads it (LOUGH-7, LOUGH-39): who, when, what, from what to what, why, on whose authority."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from server.scope import Scope
from server.store import chained_registers, notes, page_requests, sessions
from server.store.schema import account, note
from server.store.schema_work import history

#: so many entries are read out, the newest
MOST = 500
#: where a body names persons, beside its marks
_PERSONS = ("person", "persons", "to", "beside", "instead", "ended", "back")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an entry did to one student's mark."""

    person_id: int
    full_name: str
    #: by this history; None: no mark
    before: str | None
    code: str | None
    late_min: int | None
    early_min: int | None
    #: the mark's own; that it was erased, where it was
    note: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry, with the names that it stands for."""

    seq: int
    kind: str
    at_ms: int
    #: as other staff know them; None: nobody's hand
    by: str | None
    #: such as `request/12`; '' where it rests on nobody else's
    authority: str
    changes: tuple[Change, ...]
    note: str
    #: what else it says: ids, codes, numbers
    body: Mapping[str, Any]
    #: person -> name, of whom it names
    names: Mapping[int, str]


def entries(connection: Connection, scope: Scope, session_id: int) -> tuple[list[Entry], bool]:
    """A register's entries, the newest first, and whether these are all. Raises NotFound(`session`)."""
    sessions.need(connection, scope, session_id, "register.history")
    query = (
        select(history, account.c.shown_name)
        .outerjoin(account, account.c.id == history.c.by_account_id)
        .where(history.c.session_id == session_id)
        .order_by(history.c.seq)
    )
    rows = [(row, chained_registers.body_of(row)) for row in connection.execute(query)]
    shown = {row.seq for row, _ in rows[-MOST:]}
    texts = _texts(connection, (body for row, body in rows if row.seq in shown))
    names = page_requests.person_names(connection, {one for _, body in rows for one in _named(body)})
    held: dict[int, str | None] = {}
    made = []
    for row, body in rows:
        changes = tuple(_changes(body, held, names, texts))
        if row.seq in shown:
            made.append(
                Entry(
                    seq=row.seq,
                    kind=row.kind,
                    at_ms=row.at_ms,
                    by=row.shown_name,
                    authority=_authority(body),
                    changes=changes,
                    note=_text(body, texts),
                    body={key: value for key, value in body.items() if key not in ("marks", "note")},
                    names={one: names[one] for one in _named(body)},
                )
            )
    return made[::-1], len(made) == len(rows)


def _marks(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a body says of marks. A body that was altered says nothing here: `muster audit verify` names it."""
    found = body.get("marks")
    return (
        [one for one in found if isinstance(one, dict) and isinstance(one.get("person"), int)]
        if isinstance(found, list)
        else []
    )


def _named(body: Mapping[str, Any]) -> set[int]:
    found = {one["person"] for one in _marks(body)}
    for key in _PERSONS:
        value = body.get(key)
        found |= {one for one in (value if isinstance(value, list) else [value]) if isinstance(one, int)}
    return found


def _changes(
    body: Mapping[str, Any], held: dict[int, str | None], names: Mapping[int, str], texts: Mapping[int, str]
) -> Iterable[Change]:
    """held: what each has before this entry; as it is after it afterwards."""
    for one in _marks(body):
        person_id = one["person"]
        yield Change(
            person_id=person_id,
            full_name=names[person_id],
            before=held.get(person_id),
            code=one.get("code"),
            late_min=one.get("late"),
            early_min=one.get("early"),
            note=_text(one, texts),
        )
        held[person_id] = one.get("code")


def _authority(body: Mapping[str, Any]) -> str:
    found = body.get("authority") or next((one["authority"] for one in _marks(body) if one.get("authority")), "")
    return str(found).partition(":")[0]


def _text(said: Mapping[str, Any], texts: Mapping[int, str]) -> str:
    cited = said.get("note")
    return texts.get(cited[0], "") if isinstance(cited, list) and cited else ""


def _texts(connection: Connection, bodies: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """note id -> its text, or that it was erased."""
    wanted = sorted({number for body in bodies for number, _ in chained_registers.notes_in(body)})
    found: dict[int, str] = {}
    for start in range(0, len(wanted), 500):
        query = select(note.c.id, notes.shown().label("text")).where(note.c.id.in_(wanted[start : start + 500]))
        found |= {row.id: row.text for row in connection.execute(query)}
    return found
