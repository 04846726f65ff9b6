"""How far readers are with the release that is sent to them, and what follows from it (docs/updates.md).

What a delivery brings moves those that are taking it (`busy`, `move`); a look every ten seconds does the rest (`step`):
the next readers, who came to an end, the next stage, and stopping by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, text, update

from server.policy import rollout as policy
from server.policy.rollout import Progress, Seen, Sent
from server.store import accounts, campus, rollouts
from server.store.prepared import Prepared
from server.store.schema import reader, reader_state, site
from server.store.schema_releases import firmware_release, rollout, rollout_reader

_PROGRESS = ("state", "have", "until", "code", "heard_ms", "sent_ms")
_SENT = (
    firmware_release.c.tag,
    firmware_release.c.counter,
    firmware_release.c.head,
    firmware_release.c.size,
    firmware_release.c.board,
    firmware_release.c.version,
)
_BUSY = Prepared(
    select(
        rollout_reader.c.id,
        rollout_reader.c.reader_id,
        *(rollout_reader.c[name] for name in _PROGRESS),
        *_SENT,
        reader.c.name,
        site.c.name.label("site"),
    )
    .join(rollout, rollout.c.id == rollout_reader.c.rollout_id)
    .join(firmware_release, firmware_release.c.id == rollout.c.release_id)
    .join(reader, reader.c.id == rollout_reader.c.reader_id)
    .join(site, site.c.id == reader.c.site_id)
    .where(
        rollout_reader.c.institution_id == bindparam("here"),
        # As the partial index has it, in letters: no database would see that it fits with parameters in their place.
        text("rollout_reader.state IN ('asked', 'taking')"),
        rollout.c.state == rollouts.RUNNING,
        reader.c.ended_ms.is_(None),
    )
    .order_by(rollout_reader.c.id)
)


def busy(connection: Connection, institution_id: int) -> list[Any]:
    """Rows of the readers that a release is being sent to: their progress, what is sent, reader_id, name and site."""
    return _BUSY.all(connection, {"here": institution_id})


def sent_of(row: Any) -> Sent:
    """What is sent, out of such a row."""
    firmware = policy.firmware(row.board, row.version)
    return Sent(tag=row.tag, counter=row.counter, head=row.head, size=row.size, firmware=firmware)


def progress_of(row: Any) -> Progress:
    """How far the reader of such a row is."""
    return Progress(**{name: getattr(row, name) for name in _PROGRESS})


def move(connection: Connection, row: Any, after: Progress) -> None:
    """Note it, unless somebody was quicker."""
    if after == progress_of(row):
        return
    connection.execute(
        update(rollout_reader)
        .where(rollout_reader.c.id == row.id, rollout_reader.c.state == row.state)
        .values(**{name: getattr(after, name) for name in _PROGRESS})
    )


def step(connection: Connection, institution_id: int, now_ms: int) -> None:
    """Look at every roll-out that is under way."""
    query = (
        select(rollout)
        .where(rollout.c.institution_id == institution_id, rollout.c.state == rollouts.RUNNING)
        .order_by(rollout.c.id)
        .with_for_update()
    )
    room = None
    for one in connection.execute(query).all():
        if room is None:
            room = policy.AT_ONCE - len(busy(connection, institution_id))
        room -= _look(connection, one, room, now_ms)


def _look(connection: Connection, one: Any, room: int, now_ms: int) -> int:
    """Look at one roll-out: how many readers were asked anew."""
    stage = connection.execute(
        select(
            rollout_reader,
            *_SENT,
            reader.c.name,
            reader.c.ended_ms.label("reader_ended_ms"),
            reader_state.c.health,
            reader_state.c.health_ms,
            reader_state.c.firmware,
            reader_state.c.head_ms,
            reader_state.c.able,
        )
        .join(rollout, rollout.c.id == rollout_reader.c.rollout_id)
        .join(firmware_release, firmware_release.c.id == rollout.c.release_id)
        .join(reader, reader.c.id == rollout_reader.c.reader_id)
        .outerjoin(reader_state, reader_state.c.reader_id == reader.c.id)
        .where(rollout_reader.c.rollout_id == one.id, rollout_reader.c.stage == one.stage)
        .order_by(rollout_reader.c.id)
    ).all()
    asked, seen = 0, []
    for row in stage:
        before = after = progress_of(row)
        if row.reader_ended_ms is not None:
            # Revoked, or another one hangs in its place: no fault of the release.
            move(connection, row, before if before.state in policy.OVER else Progress(state=policy.SILENT))
            continue
        if before.state == policy.WAITING:
            if not rollouts.was_there(row.head_ms, now_ms, policy.GONE_MS):
                after = Progress(state=policy.SILENT)
            elif asked < room and rollouts.was_there(row.head_ms, now_ms, policy.ASKED_MS):
                after, asked = Progress(state=policy.ASKED, heard_ms=now_ms), asked + 1
                connection.execute(
                    update(rollout_reader).where(rollout_reader.c.id == row.id).values(was_well=_is_well(row, now_ms))
                )
        elif before.state == policy.TRIAL and row.health_ms is not None:
            told = rollouts.updates(row.health)
            after = policy.heard(before, told, sent_of(row), row.firmware, row.health_ms)
        after = policy.aged(after, sent_of(row), now_ms)
        move(connection, row, after)
        if not row.excused:
            was_well = row.was_well or before.state == policy.WAITING
            # One that went back to what ran before says so in its hello.
            keeps = after.state != policy.CONFIRMED or row.firmware == sent_of(row).firmware
            well = keeps and _is_well(row, now_ms)
            seen.append(Seen(name=row.name, state=after.state, well=well, was_well=was_well))
    _decide(connection, one, seen, now_ms)
    return asked


def _is_well(row: Any, now_ms: int) -> bool:
    # By its head, which is MACed. A kiosk without a list still keeps whose cards were there.
    return rollouts.is_there(row.head_ms, now_ms) and row.able in ("ok", "list")


def _decide(connection: Connection, one: Any, seen: Sequence[Seen], now_ms: int) -> None:
    over_ms = None
    if all(each.state in policy.OVER for each in seen):
        over_ms = now_ms if one.over_ms is None else one.over_ms
    over_for_ms = 0 if over_ms is None else now_ms - over_ms
    decision = policy.decide(seen, over_for_ms=over_for_ms, soak_ms=one.soak_ms)
    values: dict[str, Any] = {"over_ms": over_ms}
    if decision.stop is not None:
        values |= {"state": rollouts.STOPPED, "ended_ms": now_ms, "why": decision.stop}
    elif decision.go:
        last = connection.execute(
            select(func.max(rollout_reader.c.stage)).where(rollout_reader.c.rollout_id == one.id)
        ).scalar_one()
        if one.stage < last:
            values |= {"stage": one.stage + 1, "over_ms": None}
        else:
            values |= {"state": rollouts.DONE, "ended_ms": now_ms}
    if any(getattr(one, name) != value for name, value in values.items()):
        connection.execute(update(rollout).where(rollout.c.id == one.id).values(**values))
    if decision.stop is not None or values.get("state") == rollouts.DONE:
        scope = accounts.at_the_console(one.institution_id)
        word = "rollout.done" if decision.stop is None else "rollout.stopped-itself"
        campus.write_down(connection, scope, word, f"rollout/{one.id}", now_ms, stage=one.stage)


def stopped_by_themselves(connection: Connection, institution_id: int) -> int:
    """Roll-outs that stopped because readers were not well, and nobody let go on or ended."""
    return connection.execute(
        select(func.count())
        .select_from(rollout)
        .where(
            rollout.c.institution_id == institution_id, rollout.c.state == rollouts.STOPPED, rollout.c.why.is_not(None)
        )
    ).scalar_one()
