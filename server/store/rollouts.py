"""Roll-outs: to which readers a release goes, started, stopped and let go on by people (docs/updates.md).

store/rollout_progress.py moves them on, store/rollout_lists.py shows them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, true, update

from server.errors import NotFound, Refused, StoreError
from server.policy import rollout as policy
from server.release_pack import opened
from server.scope import Scope
from server.store import campus, releases
from server.store.releases import Release
from server.store.schema import reader, reader_state
from server.store.schema_releases import firmware_release, rollout, rollout_reader
from server.store.upsert import new_id

RUNNING, STOPPED, DONE, ENDED = STATES = ("running", "stopped", "done", "ended")
PERCENTS_LONGEST, SOAK_MOST_MIN = 32, 7 * 24 * 60


def start(
    connection: Connection, scope: Scope, release_id: int, *, percents: Sequence[int], soak_min: int, now_ms: int
) -> int:
    """Send a release to every reader of its board that is there and has an older one, in stages. Returns its id.

    Raises NotAllowed, NotFound(`release`), StoreError(`rollout-stages`, `rollout-soak`), Refused(`rollout-runs`,
    `rollout-nobody`).
    """
    scope.need(releases.TEND)
    campus.begin(connection, scope)
    found = _trusted(connection, scope, release_id)
    if not percents or list(percents) != sorted(set(percents)) or not all(0 < one <= 100 for one in percents):
        raise StoreError("rollout-stages", "stages are rising percents, such as 1, 10, 100")
    if not 0 <= soak_min <= SOAK_MOST_MIN or len(",".join(map(str, percents))) > PERCENTS_LONGEST:
        raise StoreError("rollout-soak", f"a stage is looked at for 0 to {SOAK_MOST_MIN} minutes")
    running = connection.execute(
        select(rollout.c.id)
        .join(firmware_release, firmware_release.c.id == rollout.c.release_id)
        .where(
            rollout.c.institution_id == scope.institution_id,
            rollout.c.state.in_((RUNNING, STOPPED)),
            rollout.c.percents != "",
            firmware_release.c.board == found.board,
        )
    ).first()
    if running is not None:
        raise Refused("rollout-runs", "a roll-out for these boards is under way or stopped: let it go on, or end it")
    takers = _candidates(connection, scope.institution_id, found, now_ms)
    if not takers:
        raise Refused("rollout-nobody", "no reader of this board is there that has an older release and takes updates")
    stages = policy.stages(list(takers), percents)
    return _begin(connection, scope, found, stages, takers, ",".join(map(str, percents)), soak_min * 60_000, now_ms)


def start_one(connection: Connection, scope: Scope, release_id: int, reader_name: str, now_ms: int) -> int:
    """Send a release to one reader. Raises NotAllowed, NotFound(`release`), Refused(`rollout-reader`)."""
    scope.need(releases.TEND)
    campus.begin(connection, scope)
    found = _trusted(connection, scope, release_id)
    takers = _candidates(connection, scope.institution_id, found, now_ms, only=reader_name)
    if reader_name not in takers:
        raise Refused(
            "rollout-reader",
            "it cannot take this now: it is not there, has it, or a roll-out has it on its list. Look at its page again",
        )
    return _begin(connection, scope, found, [[reader_name]], takers, "", 0, now_ms)


def _begin(
    connection: Connection,
    scope: Scope,
    found: Release,
    stages: Sequence[Sequence[str]],
    takers: Mapping[str, int],
    percents: str,
    soak_ms: int,
    now_ms: int,
) -> int:
    made = connection.execute(
        rollout.insert().values(
            institution_id=scope.institution_id,
            release_id=found.id,
            percents=percents,
            soak_ms=soak_ms,
            state=RUNNING,
            stage=1,
            began_ms=now_ms,
            by_account_id=scope.account_id or None,
        )
    )
    rollout_id = new_id(made)
    rows = [
        {
            "institution_id": scope.institution_id,
            "rollout_id": rollout_id,
            "reader_id": takers[name],
            "stage": number,
            "state": policy.WAITING,
        }
        for number, names in enumerate(stages, start=1)
        for name in names
    ]
    connection.execute(rollout_reader.insert(), rows)
    told: dict[str, object] = {"version": found.version, "board": found.board, "readers": len(rows)}
    if not percents:
        told["reader"] = stages[0][0]
    campus.write_down(connection, scope, "rollout.start", f"rollout/{rollout_id}", now_ms, **told)
    return rollout_id


def _trusted(connection: Connection, scope: Scope, release_id: int) -> Release:
    """The release, if its key is trusted still. Raises NotFound(`release`), Refused(`release-distrusted`)."""
    found = releases.one(connection, scope.institution_id, release_id)
    pack = releases.pack(connection, scope.institution_id, found.tag)
    try:
        # Looked at anew: another key may be trusted under the same number by now.
        opened(pack, releases.keys(connection, scope.institution_id))
    except StoreError as error:
        raise Refused(
            "release-distrusted", f"key {found.key_number} signed it, and is trusted no more: sign a new one"
        ) from error
    return found


def _candidates(
    connection: Connection, here: int, found: Release, now_ms: int, *, only: str | None = None
) -> dict[str, int]:
    """name -> id of the readers that are there, say that they are of this board and have an older release, and are on no
    roll-out's list that is under way. only: this reader's name."""
    listed = (
        select(rollout_reader.c.reader_id)
        .join(rollout, rollout.c.id == rollout_reader.c.rollout_id)
        .where(
            rollout.c.institution_id == here,
            rollout.c.state == RUNNING,
            rollout_reader.c.state.not_in(policy.OVER),
        )
    )
    query = (
        select(reader.c.id, reader.c.name, reader_state.c.health, reader_state.c.head_ms)
        .join(reader_state, reader_state.c.reader_id == reader.c.id)
        .where(
            reader.c.institution_id == here,
            reader.c.ended_ms.is_(None),
            reader.c.id.not_in(listed),
            true() if only is None else reader.c.name == only,
        )
        .order_by(reader.c.name)
    )
    return {
        row.name: row.id
        for row in connection.execute(query)
        if is_there(row.head_ms, now_ms) and _takes(updates(row.health), found)
    }


def _takes(told: Mapping[str, Any], found: Release) -> bool:
    counter = told.get("counter")
    if told.get("failed") == found.counter:
        return False  # it did not keep this one, and never takes it again
    return told.get("board") == found.board and isinstance(counter, int) and found.minimum <= counter < found.counter


def is_there(head_ms: int | None, now_ms: int) -> bool:
    """Whether a reader was heard lately: by its heads, which are MACed and come each minute."""
    return was_there(head_ms, now_ms, policy.THERE_MS)


def was_there(head_ms: int | None, now_ms: int, within_ms: int) -> bool:
    """Whether its newest head is no older than this."""
    return head_ms is not None and now_ms - head_ms <= within_ms


def updates(health: str | None) -> Mapping[str, Any]:
    """What a health report says of updates; nothing where it says nothing of the kind."""
    try:
        told = json.loads(health or "{}")
    except (ValueError, RecursionError):
        return {}
    said = told.get("update") if isinstance(told, dict) else None
    return said if isinstance(said, dict) else {}


def stop(connection: Connection, scope: Scope, rollout_id: int, now_ms: int) -> None:
    """Send nothing more. Raises NotAllowed, NotFound(`rollout`), Refused(`rollout-over`)."""
    _turn(connection, scope, rollout_id, (RUNNING,), STOPPED, now_ms)


def end(connection: Connection, scope: Scope, rollout_id: int, now_ms: int) -> None:
    """A stopped one goes no further for good; readers keep what they run. Raises as `stop`."""
    _turn(connection, scope, rollout_id, (STOPPED,), ENDED, now_ms)


def go_on(connection: Connection, scope: Scope, rollout_id: int, now_ms: int) -> None:
    """A stopped one goes on: whoever failed so far is known and no reason to stop any more. Raises as `stop`, and
    Refused(`release-distrusted`)."""
    scope.need(releases.TEND)
    here = (rollout.c.id == rollout_id, rollout.c.institution_id == scope.institution_id)
    release_id = connection.execute(select(rollout.c.release_id).where(*here)).scalar()
    if release_id is not None:
        _trusted(connection, scope, release_id)
    _turn(connection, scope, rollout_id, (STOPPED,), RUNNING, now_ms)
    mine = rollout_reader.c.rollout_id == rollout_id
    connection.execute(update(rollout_reader).where(mine, rollout_reader.c.state.in_(policy.OVER)).values(excused=True))
    connection.execute(
        update(rollout_reader)
        .where(mine, rollout_reader.c.state.in_(policy.BUSY))
        .values(heard_ms=now_ms, sent_ms=None)
    )


def stop_restored(connection: Connection, now_ms: int) -> int:
    """In a store that was put back from a backup, of every institution: what was under way then may have been stopped since,
    and a bad release must not go out anew. Returns how many are stopped."""
    running = update(rollout).where(rollout.c.state == RUNNING)
    return connection.execute(running.values(state=STOPPED, ended_ms=now_ms)).rowcount


def distrust(connection: Connection, scope: Scope, number: int, now_ms: int) -> int:
    """Trust a release key no more, and send none of its releases any more: what goes out of them ends. Returns how many
    roll-outs did. Raises NotAllowed, NotFound(`release-key`)."""
    scope.need(releases.TEND)
    campus.begin(connection, scope)
    releases.distrust(connection, scope, number, now_ms)
    query = (
        select(rollout.c.id)
        .join(firmware_release, firmware_release.c.id == rollout.c.release_id)
        .where(
            rollout.c.institution_id == scope.institution_id,
            rollout.c.state.in_((RUNNING, STOPPED)),
            firmware_release.c.key_number == number,
        )
        .order_by(rollout.c.id)
    )
    found = connection.execute(query).scalars().all()
    for rollout_id in found:
        _turn(connection, scope, rollout_id, (RUNNING, STOPPED), ENDED, now_ms)
    return len(found)


def _turn(
    connection: Connection, scope: Scope, rollout_id: int, before: tuple[str, ...], after: str, now_ms: int
) -> None:
    scope.need(releases.TEND)
    campus.begin(connection, scope)
    here = (rollout.c.id == rollout_id, rollout.c.institution_id == scope.institution_id)
    state = connection.execute(select(rollout.c.state).where(*here)).scalar()
    if state is None:
        raise NotFound("rollout", "there is no such roll-out: the page of releases lists them")
    if state not in before:
        raise Refused("rollout-over", "it is not so any more: look at what became of it")
    values: dict[str, Any] = {"state": after, "ended_ms": None if after == RUNNING else now_ms}
    if after == RUNNING:
        values |= {"why": None, "over_ms": None}
    connection.execute(update(rollout).where(*here).values(**values))
    word = {RUNNING: "rollout.go-on", STOPPED: "rollout.stop", ENDED: "rollout.end"}[after]
    campus.write_down(connection, scope, word, f"rollout/{rollout_id}", now_ms)


def offered(connection: Connection, scope: Scope, reader_name: str, now_ms: int) -> Release | None:
    """The newest release that this reader could take now; None: there is none, or it is taking one. Raises NotAllowed."""
    scope.need(releases.TEND)
    trusted = {key.id for key in releases.keys(connection, scope.institution_id)}
    for found in releases.listed(connection, scope.institution_id):
        if found.key_number in trusted and reader_name in _candidates(
            connection, scope.institution_id, found, now_ms, only=reader_name
        ):
            return found
    return None
