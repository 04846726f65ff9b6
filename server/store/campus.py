"""What every change of the registry's pages stands on: one at a time, seen before it is made, and written down.

A change is made under the same lock as an import, so that neither comes between the other's reading and writing. A
form carries what it saw (`seen`): where that is not so any more, nothing is changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from server.errors import NotAllowed, Refused
from server.scope import Scope
from server.store import imported
from server.store.engine import Engine, writing
from server.store.schema import account, audit

#: what is made by hand is of this source: no import ends or changes it
SOURCE = "muster"
Tried = TypeVar("Tried")
#: steps of a history that are shown at most
STEPS = 60


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of an object's history."""

    at_ms: int
    #: who did it, as other staff know them; None: nobody signed in
    by: str | None
    action: str
    subject: str
    detail: Mapping[str, Any]


class ChangedMeanwhile(Refused):
    """What the form saw is not so any more; nothing was changed."""

    def __init__(self) -> None:
        super().__init__(
            "changed-meanwhile", "this was changed while you looked: see what it is now, then decide again"
        )


class FieldRefused(Refused):
    """One field cannot be taken as it is. `field` is its name in the form."""

    def __init__(self, code: str, field: str, text: str) -> None:
        super().__init__(code, text)
        self.field = field


class _Enough(Exception):
    """Rolls back what was only tried."""


def tried(engine: Engine, work: Callable[[Connection], Tried]) -> Tried:
    """What this work would do: it is done, looked at, and undone. So a preview and the change itself cannot differ."""
    found: list[Tried] = []
    try:
        with writing(engine) as connection:
            found.append(work(connection))
            raise _Enough
    except _Enough:
        return found[0]


def digest(*facts: object) -> str:
    """Stands for what was seen: another one, if any of it differs."""
    return hashlib.blake2b(repr(facts).encode("utf-8", "replace"), digest_size=9).hexdigest()


def begin(connection: Connection, scope: Scope) -> None:
    """Let no import and no other change of this institution come between what is read from here on and what is written."""
    imported.lock(connection, scope.institution_id)


def need_seen(seen: str, now: str) -> None:
    """Raises ChangedMeanwhile unless what the form saw is so still."""
    if seen != now:
        raise ChangedMeanwhile


def need_whole(scope: Scope, act: str) -> None:
    """For what belongs to no department: raises NotAllowed(`not-allowed`) unless the act reaches the institution."""
    scope.need(act)
    if not scope.reach(act).all:
        raise NotAllowed("not-allowed", "this concerns the whole institution, and your account is for a part of it")


def write_down(connection: Connection, scope: Scope, action: str, subject: str, now_ms: int, **detail: object) -> None:
    """Write who did what. detail: ids, codes and times; no name, address, reason or note.

    Of a command it has the operating system's user too: no account of ours was signed in.
    """
    if scope.console:
        detail["console"] = scope.console
    connection.execute(
        audit.insert().values(
            institution_id=scope.institution_id,
            at_ms=now_ms,
            # 0: a command on the server's own machine
            account_id=scope.account_id or None,
            action=action,
            subject=subject,
            detail=json.dumps(detail, sort_keys=True),
        )
    )


def history(connection: Connection, scope: Scope, subjects: Iterable[str]) -> list[Step]:
    """What was done to these subjects, newest first. The caller has asked whether they may be seen."""
    wanted = list(subjects)
    query = (
        select(audit, account.c.shown_name)
        .outerjoin(account, account.c.id == audit.c.account_id)
        .where(
            audit.c.institution_id == scope.institution_id,
            audit.c.subject.in_(wanted),
        )
        .order_by(audit.c.id.desc())
        .limit(STEPS)
    )
    return [
        Step(at_ms=row.at_ms, by=row.shown_name, action=row.action, subject=row.subject, detail=json.loads(row.detail))
        for row in connection.execute(query)
    ]
