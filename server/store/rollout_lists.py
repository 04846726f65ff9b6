"""Roll-outs as people see them: stage by stage, and reader by reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, true

from server.errors import NotFound
from server.scope import Scope
from server.store import releases
from server.store.schema import account, reader
from server.store.schema_releases import firmware_release, rollout, rollout_reader

#: roll-outs that are listed
LISTED = 20


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One. stages: of each stage, its readers by state. why: where it stopped by itself."""

    id: int
    release_id: int
    board: str
    version: str
    #: the stages in percent; (): one reader, asked for on its page
    percents: tuple[int, ...]
    soak_ms: int
    state: str
    stage: int
    began_ms: int
    ended_ms: int | None
    why: str | None
    by: str | None
    stages: tuple[Mapping[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Taker:
    """One reader of a roll-out."""

    reader: str
    stage: int
    state: str
    code: str | None
    #: bytes of the pack that it has, of all
    have: int
    size: int
    heard_ms: int | None


def one(connection: Connection, scope: Scope, rollout_id: int) -> Rollout:
    """Raises NotAllowed, NotFound(`rollout`)."""
    for found in listed(connection, scope, only=rollout_id):
        return found
    raise NotFound("rollout", "there is no such roll-out: the page of releases lists them")


def listed(connection: Connection, scope: Scope, *, only: int | None = None) -> list[Rollout]:
    """The newest, newest first. only: this one. Raises NotAllowed."""
    scope.need(releases.TEND)
    rows = connection.execute(
        select(
            rollout,
            firmware_release.c.board,
            firmware_release.c.version,
            account.c.shown_name.label("by"),
        )
        .join(firmware_release, firmware_release.c.id == rollout.c.release_id)
        .outerjoin(account, account.c.id == rollout.c.by_account_id)
        .where(rollout.c.institution_id == scope.institution_id, true() if only is None else rollout.c.id == only)
        .order_by(rollout.c.id.desc())
        .limit(LISTED)
    ).all()
    counts: dict[tuple[int, int], dict[str, int]] = {}
    for row in connection.execute(
        select(rollout_reader.c.rollout_id, rollout_reader.c.stage, rollout_reader.c.state, func.count().label("many"))
        .where(rollout_reader.c.rollout_id.in_([row.id for row in rows]))
        .group_by(rollout_reader.c.rollout_id, rollout_reader.c.stage, rollout_reader.c.state)
    ):
        counts.setdefault((row.rollout_id, row.stage), {})[row.state] = row.many
    found = []
    for row in rows:
        last = max(stage for one, stage in counts if one == row.id)
        found.append(
            Rollout(
                id=row.id,
                release_id=row.release_id,
                board=row.board,
                version=row.version,
                percents=tuple(int(one) for one in row.percents.split(",") if one),
                soak_ms=row.soak_ms,
                state=row.state,
                stage=row.stage,
                began_ms=row.began_ms,
                ended_ms=row.ended_ms,
                why=row.why,
                by=row.by,
                stages=tuple(counts.get((row.id, n), {}) for n in range(1, last + 1)),
            )
        )
    return found


def takers(connection: Connection, scope: Scope, rollout_id: int) -> list[Taker]:
    """Its readers, by stage and name. Raises NotAllowed; of another institution's there are none."""
    scope.need(releases.TEND)
    query = (
        select(*_TAKER, reader.c.name.label("reader"), firmware_release.c.size)
        .join(rollout, rollout.c.id == rollout_reader.c.rollout_id)
        .join(firmware_release, firmware_release.c.id == rollout.c.release_id)
        .join(reader, reader.c.id == rollout_reader.c.reader_id)
        .where(rollout_reader.c.rollout_id == rollout_id, rollout_reader.c.institution_id == scope.institution_id)
        .order_by(rollout_reader.c.stage, reader.c.name)
    )
    return [Taker(**row._mapping) for row in connection.execute(query)]


_TAKER = tuple(rollout_reader.c[name] for name in ("stage", "state", "code", "have", "heard_ms"))
