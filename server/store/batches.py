"""Batches: which classes of a skills programme began together, and on which day. From it fortnights and occasions are counted
(DDU-3, DDU-7), and what the state body was asked (DDU-6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from server.errors import NotFound, StoreError
from server.scope import Scope
from server.store import campus, course_times
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
    #: their codes
    classes: tuple[str, ...]
    #: sessions of its classes, and those of them that have begun
    sessions: int
    begun: int


def listed(connection: Connection, scope: Scope, now_ms: int) -> list[Batch]:
    """Every batch, by its code. Raises NotAllowed."""
    campus.need_whole(scope, "campus.read")
    query = select(batch).where(batch.c.institution_id == scope.institution_id).order_by(batch.c.code)
    return [_batch(connection, row, now_ms) for row in connection.execute(query)]


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
    held = connection.execute(select(batch).where(batch.c.institution_id == here, batch.c.code == code)).first()
    starts = starts_ms if starts_ms is not None or held is None else held.starts_ms
    ends = ends_ms if ends_ms is not None or held is None else held.ends_ms
    if starts is None:
        raise StoreError("batch-days", "say on which day this new batch begins: its fortnights are counted from there")
    if ends is not None and ends <= starts:
        raise StoreError("batch-days", "the last day is not before the first: correct them")
    joins, leaves = (_classes(connection, here, codes) for codes in (on, off))
    values = {"starts_ms": starts, "ends_ms": ends}
    if held is None:
        batch_id = new_id(connection.execute(batch.insert().values(institution_id=here, code=code, **values)))
    else:
        batch_id = held.id
        connection.execute(update(batch).where(batch.c.id == batch_id).values(**values))
    mine = class_group.c.batch_id == batch_id
    strangers = set(leaves) - set(connection.execute(select(class_group.c.id).where(mine)).scalars())
    if strangers:
        raise StoreError("batch-class", f"{', '.join(leaves[one] for one in sorted(strangers))} is not in this batch")
    for ids, becomes in ((joins, batch_id), (leaves, None)):
        connection.execute(update(class_group).where(class_group.c.id.in_(sorted(ids))).values(batch_id=becomes))
    now = set(connection.execute(select(class_group.c.id).where(mine)).scalars())
    touch_registers(connection, class_ids=now | set(leaves))
    campus.write_down(
        connection, scope, "batch.change", f"batch/{batch_id}", now_ms, **values, on=sorted(joins), off=sorted(leaves)
    )
    return _batch(connection, connection.execute(select(batch).where(batch.c.id == batch_id)).one(), now_ms)


def _classes(connection: Connection, institution_id: int, codes: Iterable[str]) -> dict[int, str]:
    """id -> code of these classes. Raises NotFound(`class`)."""
    found: dict[int, str] = {}
    for code in codes:
        query = select(class_group.c.id).where(
            class_group.c.institution_id == institution_id, class_group.c.code == code, class_group.c.ended_ms.is_(None)
        )
        ids = list(connection.execute(query).scalars())
        if len(ids) != 1:
            raise NotFound("class", f"there are {len(ids)} classes with the code {code}: give one that is one's own")
        found[ids[0]] = code
    return found


def _batch(connection: Connection, row: Any, now_ms: int) -> Batch:
    codes = select(class_group.c.code).where(class_group.c.batch_id == row.id).order_by(class_group.c.code)
    many = select(func.count()).select_from(session).where(course_times.of_batch(row.id))
    return Batch(
        id=row.id,
        code=row.code,
        starts_ms=row.starts_ms,
        ends_ms=row.ends_ms,
        classes=tuple(connection.execute(codes).scalars()),
        sessions=connection.execute(many).scalar_one(),
        begun=connection.execute(many.where(session.c.starts_ms <= now_ms)).scalar_one(),
    )
