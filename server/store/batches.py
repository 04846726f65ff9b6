"""Batches: which classes of a skills programme began together, and on which day. From it fortnights and occasions are counted
(DDU-3, DDU-7), and what the state body was asked (DDU-6)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from server.errors import NotFound, StoreError
from server.scope import Scope
from server.store import campus, campus_classes, coded, course_times
from server.store.campus import FieldRefused
from server.store.imported_registers import touch_registers
from server.store.schema import batch, class_group, session
from server.store.upsert import new_id


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One of them."""

    id: int
    code: str
    starts_ms: int
    #: the end of its last day; None: not known
    ends_ms: int | None
    #: id -> code, by code
    members: Mapping[int, str]
    #: sessions of its classes, and those of them that have begun
    sessions: int
    begun: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Their codes."""
        return tuple(self.members.values())

    @property
    def seen(self) -> str:
        """Stands for everything that is set by hand."""
        return campus.digest(self.id, self.code, self.starts_ms, self.ends_ms, sorted(self.members))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A batch as it is to be. ends_ms: the end of its last day; None: not known. classes: their ids."""

    code: str
    starts_ms: int
    ends_ms: int | None
    classes: frozenset[int]


def listed(connection: Connection, scope: Scope, now_ms: int) -> list[Batch]:
    """Every batch of which a class is in reach, by its code; to whom the institution is in reach all. Raises NotAllowed."""
    scope.need("campus.read")
    query = select(batch).where(*_reached(scope)).order_by(batch.c.code)
    return [_batch(connection, row, now_ms) for row in connection.execute(query).all()]


def one(connection: Connection, scope: Scope, batch_id: int, now_ms: int, act: str = "campus.read") -> Batch:
    """One of them. To change it all of its classes must be in reach. Raises NotAllowed, NotFound(`batch`)."""
    scope.need(act)
    row = connection.execute(select(batch).where(batch.c.id == batch_id, *_reached(scope))).first()
    found = None if row is None else _batch(connection, row, now_ms)
    if found is None or (act != "campus.read" and not may_change(connection, scope, found)):
        raise NotFound("batch", "there is no such batch, or it is not yours")
    return found


def may_change(connection: Connection, scope: Scope, found: Batch) -> bool:
    """Whether this scope may: all of the batch's classes are in its reach."""
    if not scope.may("campus.change"):
        return False
    return scope.reach("campus.change").all or (bool(found.members) and not _strange(connection, scope, found.members))


def _reached(scope: Scope) -> list[Any]:
    inside = [batch.c.institution_id == scope.institution_id]
    if scope.reach("campus.read").all:
        return inside
    mine = select(class_group.c.batch_id).where(
        campus_classes.visible(scope, "campus.read"), class_group.c.batch_id.is_not(None)
    )
    return [*inside, batch.c.id.in_(mine)]


def _strange(connection: Connection, scope: Scope, class_ids: Iterable[int]) -> set[int]:
    """Those of these classes that this scope does not reach."""
    wanted = set(class_ids)
    query = select(class_group.c.id).where(
        class_group.c.id.in_(sorted(wanted)), campus_classes.visible(scope, "campus.change")
    )
    return wanted - set(connection.execute(query).scalars())


def save(connection: Connection, scope: Scope, batch_id: int | None, wanted: Wanted, *, seen: str, now_ms: int) -> int:
    """Make one (batch_id None), or make it so. A form sent twice makes one.

    Raises NotAllowed, NotFound(`batch`), ChangedMeanwhile, FieldRefused(`taken`, `batch-days`, `not-own`).
    """
    scope.need("campus.change")
    campus.begin(connection, scope)
    held = None if batch_id is None else one(connection, scope, batch_id, now_ms, "campus.change")
    if wanted.ends_ms is not None and wanted.ends_ms <= wanted.starts_ms:
        raise FieldRefused("batch-days", "last", "the last day is not before the first: correct it")
    joins = wanted.classes - set(held.members if held else ())
    if not scope.reach("campus.change").all:
        _need_own(connection, scope, wanted.classes, joins, now_ms)
    same = select(batch).where(
        batch.c.institution_id == scope.institution_id, func.lower(batch.c.code) == wanted.code.lower()
    )
    other = connection.execute(same.where(batch.c.id != (batch_id or 0))).first()
    if other is not None:
        there = _batch(connection, other, now_ms)
        if held is None and _as_wanted(there, wanted):
            return there.id
        raise FieldRefused("taken", "code", "there is a batch with this code already: choose another")
    if held is not None:
        if _as_wanted(held, wanted):
            return held.id
        campus.need_seen(seen, held.seen)
    leaves = set(held.members if held else ()) - wanted.classes
    return _write(connection, scope, held, wanted, joins, leaves, now_ms)


def _need_own(
    connection: Connection, scope: Scope, classes: Collection[int], joins: Collection[int], now_ms: int
) -> None:
    """Raises FieldRefused(`not-own`) where a part of the institution would have a batch without a class of its own, or take
    a class that is another's, or out of another's batch."""
    if not classes or _strange(connection, scope, joins):
        raise FieldRefused(
            "not-own", "classes", "name classes of yours, at least one: without one it would be lost to you"
        )
    held = (
        select(batch).join(class_group, class_group.c.batch_id == batch.c.id).where(class_group.c.id.in_(sorted(joins)))
    )
    for row in connection.execute(held.distinct()).all():
        if not may_change(connection, scope, _batch(connection, row, now_ms)):
            text = f"one of them is in the batch {row.code}, which is not yours alone: ask the institution's registry"
            raise FieldRefused("not-own", "classes", text)


def _as_wanted(there: Batch, wanted: Wanted) -> bool:
    values = (there.code, there.starts_ms, there.ends_ms, frozenset(there.members))
    return values == (wanted.code, wanted.starts_ms, wanted.ends_ms, wanted.classes)


def put(
    connection: Connection,
    scope: Scope,
    code: str,
    *,
    starts_ms: int | None,
    ends_ms: int | None,
    on: Iterable[str] = (),
    off: Iterable[str] = (),
    now_ms: int,
) -> Batch:
    """Make the batch, or make it so; None: as it is. on, off: codes of classes that belong to it from now on, or do not.

    Raises NotAllowed, NotFound(`class`), StoreError(`batch-code`, `batch-days`, `batch-class`).
    """
    campus.need_whole(scope, "campus.change")
    campus.begin(connection, scope)
    if not code.strip() or len(code) > 64:
        raise StoreError("batch-code", "give the batch a code of at most 64 characters")
    here = scope.institution_id
    row = connection.execute(select(batch).where(batch.c.institution_id == here, batch.c.code == code)).first()
    held = None if row is None else _batch(connection, row, now_ms)
    starts = starts_ms if starts_ms is not None or held is None else held.starts_ms
    ends = ends_ms if ends_ms is not None or held is None else held.ends_ms
    if starts is None:
        raise StoreError("batch-days", "say on which day this new batch begins: its fortnights are counted from there")
    if ends is not None and ends <= starts:
        raise StoreError("batch-days", "the last day is not before the first: correct them")
    joins, leaves = (coded.ids(connection, here, class_group, codes) for codes in (on, off))
    if strangers := set(leaves) - set(held.members if held else ()):
        raise StoreError("batch-class", f"{', '.join(leaves[one] for one in sorted(strangers))} is not in this batch")
    wanted = Wanted(code=code, starts_ms=starts, ends_ms=ends, classes=frozenset())
    made = _write(connection, scope, held, wanted, joins, leaves, now_ms)
    return one(connection, scope, made, now_ms)


def _write(
    connection: Connection,
    scope: Scope,
    held: Batch | None,
    wanted: Wanted,
    joins: Collection[int],
    leaves: Collection[int],
    now_ms: int,
) -> int:
    values = {"code": wanted.code, "starts_ms": wanted.starts_ms, "ends_ms": wanted.ends_ms}
    if held is None:
        batch_id = new_id(connection.execute(batch.insert().values(institution_id=scope.institution_id, **values)))
    else:
        batch_id = held.id
        connection.execute(update(batch).where(batch.c.id == batch_id).values(**values))
    for ids, becomes in ((joins, batch_id), (leaves, None)):
        connection.execute(update(class_group).where(class_group.c.id.in_(sorted(ids))).values(batch_id=becomes))
    touch_registers(connection, class_ids={*(held.members if held else ()), *joins, *leaves})
    campus.write_down(
        connection, scope, "batch.change", f"batch/{batch_id}", now_ms, **values, on=sorted(joins), off=sorted(leaves)
    )
    return batch_id


def _batch(connection: Connection, row: Any, now_ms: int) -> Batch:
    members = select(class_group.c.id, class_group.c.code).where(class_group.c.batch_id == row.id)
    many = select(func.count()).select_from(session).where(course_times.of_batch(row.id))
    return Batch(
        id=row.id,
        code=row.code,
        starts_ms=row.starts_ms,
        ends_ms=row.ends_ms,
        members={one.id: one.code for one in connection.execute(members.order_by(class_group.c.code))},
        sessions=connection.execute(many).scalar_one(),
        begun=connection.execute(many.where(session.c.starts_ms <= now_ms)).scalar_one(),
    )
