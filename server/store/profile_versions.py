"""The institution's own profiles as they were in force: a version that has begun is not changed, added to the past or taken
away. What is still to come may be, and its sessions are planned anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, select

from server.errors import BadSetting, Unwritable
from server.policy import versions
from server.policy.profile import Profiles, of_settings
from server.policy.versions import Own
from server.store import due, institutions, residence_rules, session_profiles, upsert
from server.store.engine import Engine, reading, writing
from server.store.imported_registers import touch_registers
from server.store.schema import session
from server.store.schema_work import profile_version

#: the row that says from when on it is compared: what held then is as it was
_SINCE = ""
_TOLD = 3

Key = tuple[str, int]


def load(engine: Engine, profiles_dir: Path, time_zone: str, now_ms: int) -> Profiles:
    """Every profile as the settings say it, once it is certain that none of them rewrites the past.

    profiles_dir: empty for none; time_zone: IANA name. Raises BadSetting(`profile`, `profile-past`).
    """
    made = of_settings(profiles_dir, time_zone)
    own = versions.own_of(None if profiles_dir == Path() else profiles_dir, time_zone)
    with reading(engine) as connection:
        every = institutions.every(connection)
        same = all(_same(connection, one.id, own) for one in every)
        for one in every:
            _changes(connection, one.id, own, made, now_ms)
    if same:
        return made
    # Where nothing can be written, it is compared again at the next start.
    with suppress(Unwritable), writing(engine) as connection:
        for one in institutions.every(connection):
            keep(connection, one.id, own, made, now_ms)
    return made


def _same(connection: Connection, institution_id: int, own: Iterable[Own]) -> bool:
    held = _held(connection, institution_id)
    return (_SINCE, 0) in held and {key: row.digest for key, row in held.items() if key[0]} == {
        (one.name, one.from_ms): digest(one) for one in own
    }


def keep(connection: Connection, institution_id: int, own: Iterable[Own], profiles: Profiles, now_ms: int) -> list[Key]:
    """Compare these versions with those that were in force, and keep them. Returns what is new, other or gone.

    The first time all are kept as they are. Raises BadSetting(`profile-past`) where sessions, or evenings of the residence,
    that have begun would be judged by other rules than they were; nothing is kept then.
    """
    wanted = {(one.name, one.from_ms): one for one in own}
    first, changed, gone = _changes(connection, institution_id, own, profiles, now_ms)
    rows = [_row(institution_id, key, digest(wanted[key]), _body(wanted[key].table), now_ms) for key in changed]
    if first:
        rows.append(_row(institution_id, (_SINCE, 0), "", "{}", now_ms))
    if rows:
        unique, new = ("institution_id", "name", "from_ms"), ("digest", "body", "seen_ms")
        connection.execute(upsert.over(connection, profile_version, unique, new), rows)
    for name, from_ms in gone:
        here = profile_version.c.institution_id == institution_id
        connection.execute(
            delete(profile_version).where(here, profile_version.c.name == name, profile_version.c.from_ms == from_ms)
        )
    if not first:
        _plan_coming(connection, institution_id, [*changed, *gone], profiles, now_ms)
        for _, from_ms in (*changed, *gone):
            residence_rules.changed(connection, institution_id, from_ms, now_ms)
    return [*changed, *gone]


def _changes(
    connection: Connection, institution_id: int, own: Iterable[Own], profiles: Profiles, now_ms: int
) -> tuple[bool, list[Key], list[Key]]:
    """Whether it is the first time; what is new or other; what is gone. Raises BadSetting(`profile-past`)."""
    held = _held(connection, institution_id)
    wanted = {(one.name, one.from_ms): one for one in own}
    first = (_SINCE, 0) not in held
    changed = [key for key, one in wanted.items() if key not in held or held[key].digest != digest(one)]
    gone = [key for key in held if key[0] and key not in wanted]
    if not first:
        for key in [*changed, *gone]:
            one, row = wanted.get(key), held.get(key)
            begun = _begun(connection, institution_id, key, now_ms)
            if _says_of_residence(one, row):
                since_ms = key[1]
                many = residence_rules.begun_by(connection, institution_id, profiles, key[0], since_ms, now_ms)
                begun += _many(many, "evening of the residence", "evenings of the residence")
            if begun:
                _refuse(key[0], one, row, " and ".join(begun))
    return first, changed, gone


def _row(institution_id: int, key: Key, made: str, body: str, now_ms: int) -> dict[str, Any]:
    return {"institution_id": institution_id, "name": key[0], "from_ms": key[1], "digest": made, "body": body,
            "seen_ms": now_ms}  # fmt: skip


def _held(connection: Connection, institution_id: int) -> dict[Key, Any]:
    rows = connection.execute(select(profile_version).where(profile_version.c.institution_id == institution_id))
    return {(row.name, row.from_ms): row for row in rows}


def digest(one: Own) -> str:
    """Stands for everything that the version says; comments and the order of its lines do not count."""
    return hashlib.sha256(_body(one.table).encode()).hexdigest()


def _body(table: Mapping[str, Any]) -> str:
    return json.dumps(table, sort_keys=True, default=str, ensure_ascii=False)


def _begun(connection: Connection, institution_id: int, key: Key, now_ms: int) -> list[str]:
    """`3 sessions that have begun`: those that the version at `key` judges; nothing where there is none."""
    name, from_ms = key
    query = select(func.count()).where(
        session.c.institution_id == institution_id,
        session.c.profile == name,
        # A later version is laid over the earlier ones: what changes here, changes there.
        session.c.starts_ms >= from_ms,
        session.c.starts_ms <= now_ms,
    )
    return _many(connection.execute(query).scalar_one(), "session", "sessions")


def _many(count: int, one: str, more: str) -> list[str]:
    if not count:
        return []
    return [f"1 {one} that has begun" if count == 1 else f"{count} {more} that have begun"]


def _says_of_residence(one: Own | None, row: Any) -> bool:
    """Whether what they say of the residence differs: by themselves, or by the profile that they are like."""
    after = json.loads(_body(one.table)) if one is not None else {}
    before = json.loads(row.body) if row is not None else {}
    return any(before.get(name) != after.get(name) for name in ("residence", "like"))


def _refuse(name: str, one: Own | None, row: Any, begun: str) -> None:
    """Raises BadSetting(`profile-past`): what has begun was judged by this version."""
    if one is None:
        what = f"the institution's own version of {name} is gone, by which {begun} were judged"
        do = "put its file back"
    elif row is None:
        what = f"{one.file}: it begins in the past, and would judge {begun} by other rules"
        do = "give it a `from` that is still to come"
    else:
        paths = _differing(json.loads(row.body), one.table)
        what = f"{one.file}: it has begun and was changed ({', '.join(paths)}), and {begun} were judged by it"
        do = "put the file back as it was, and say what changes in another file with a `from` that is still to come"
    raise BadSetting("profile-past", f"{what}. The past is not rewritten: {do}")


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The first paths at which two files differ, such as `tiers.24h.until`."""
    after = json.loads(_body(after))
    one, two = dict(_leaves(before)), dict(_leaves(after))
    found = sorted(path for path in one.keys() | two.keys() if one.get(path) != two.get(path))
    return [*found[:_TOLD], *(["…"] if len(found) > _TOLD else [])]


def _leaves(table: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, str]]:
    for key, value in table.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, Mapping) and "value" not in value and value:
            yield from _leaves(value, here)
        else:
            yield here, json.dumps(value, sort_keys=True)


def _plan_coming(
    connection: Connection, institution_id: int, keys: Iterable[Key], profiles: Profiles, now_ms: int
) -> None:
    """Sessions that are still to come and judged by these have their windows worked out anew."""
    ids: set[int] = set()
    for name, from_ms in keys:
        query = select(session.c.id).where(
            session.c.institution_id == institution_id,
            session.c.profile == name,
            session.c.starts_ms >= max(from_ms, now_ms + 1),
        )
        ids |= set(connection.execute(query).scalars())
    if not ids:
        return
    due.sessions(connection, institution_id, ids, now_ms)
    session_profiles.plan(connection, institution_id, ids, now_ms, profiles)
    touch_registers(connection, session_ids=ids)
    institutions.campus_changed(connection, institution_id)
