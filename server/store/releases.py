"""Releases of the boards' firmware that the store carries, and the public keys that may sign them (docs/updates.md)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from server.errors import NotFound, Refused, StoreError
from server.release_pack import KEY_BITS, Key, Opened, opened
from server.scope import Scope
from server.store import campus
from server.store.schema import account
from server.store.schema_releases import firmware_release, release_key
from server.store.upsert import new_id

TEND = "doors.tend"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One, without its bytes. by: who brought it, as other staff know them."""

    id: int
    board: str
    version: str
    counter: int
    minimum: int
    built_ms: int
    key_number: int
    tag: str
    head: int
    size: int
    added_ms: int
    by: str | None = None


def trust(connection: Connection, scope: Scope, key: Key, now_ms: int) -> bool:
    """Take releases that this key signed. Whether it is new. Raises NotAllowed, StoreError(`release-key`),
    Refused(`release-key-other`)."""
    scope.need(TEND)
    if not 1 <= key.id <= 255 or key.n.bit_length() != KEY_BITS:
        raise StoreError("release-key", "a release key has a number of 1 to 255 and 3,072 bits: `muster release keys`")
    here = (release_key.c.institution_id == scope.institution_id, release_key.c.number == key.id)
    held = connection.execute(select(release_key).where(*here)).first()
    modulus = f"{key.n:x}"
    if held is not None and held.modulus != modulus and held.ended_ms is None:
        raise Refused(
            "release-key-other", f"another key is trusted as number {key.id}: `muster release distrust {key.id}` first"
        )
    if held is not None and held.modulus == modulus and held.ended_ms is None:
        return False
    values = {"modulus": modulus, "added_ms": now_ms, "ended_ms": None}
    if held is None:
        connection.execute(release_key.insert().values(institution_id=scope.institution_id, number=key.id, **values))
    else:
        connection.execute(update(release_key).where(*here).values(**values))
    campus.write_down(connection, scope, "release.trust", f"release-key/{key.id}", now_ms, key=key.id)
    return True


def distrust(connection: Connection, scope: Scope, number: int, now_ms: int) -> None:
    """Take no more releases of this key (`rollouts.distrust` also ends what goes out of them). Readers still know it.
    Raises NotAllowed, NotFound(`release-key`)."""
    scope.need(TEND)
    done = connection.execute(
        update(release_key)
        .where(
            release_key.c.institution_id == scope.institution_id,
            release_key.c.number == number,
            release_key.c.ended_ms.is_(None),
        )
        .values(ended_ms=now_ms)
    )
    if not done.rowcount:
        raise NotFound("release-key", f"no key is trusted as number {number}")
    campus.write_down(connection, scope, "release.distrust", f"release-key/{number}", now_ms, key=number)


def keys(connection: Connection, institution_id: int) -> list[Key]:
    """The keys that may sign a release now, by number."""
    query = (
        select(release_key.c.number, release_key.c.modulus)
        .where(release_key.c.institution_id == institution_id, release_key.c.ended_ms.is_(None))
        .order_by(release_key.c.number)
    )
    return [Key(id=row.number, n=int(row.modulus, 16)) for row in connection.execute(query)]


def add(connection: Connection, scope: Scope, data: bytes, now_ms: int) -> int:
    """Keep a signed pack. Returns its id. Raises NotAllowed, `opened`'s, StoreError(`release-no-key`),
    Refused(`release-known`, `release-older`, `release-version`)."""
    scope.need(TEND)
    campus.begin(connection, scope)
    trusted = keys(connection, scope.institution_id)
    if not trusted:
        raise StoreError(
            "release-no-key", "the store trusts no release key yet: `muster release trust FILE` on the server's machine"
        )
    found = opened(data, trusted)
    for held in listed(connection, scope.institution_id, found.board):
        _need_newer(found, held)
    made = connection.execute(
        firmware_release.insert().values(
            institution_id=scope.institution_id,
            board=found.board,
            version=found.version,
            counter=found.counter,
            minimum=found.minimum,
            built_ms=found.built_ms,
            key_number=found.key_number,
            tag=found.tag,
            head=found.head,
            size=len(found.data),
            pack=found.data,
            added_ms=now_ms,
            by_account_id=scope.account_id or None,
        )
    )
    release_id = new_id(made)
    told = {"board": found.board, "version": found.version, "counter": found.counter}
    campus.write_down(connection, scope, "release.add", f"release/{release_id}", now_ms, **told)
    return release_id


def _need_newer(found: Opened, held: Release) -> None:
    if held.tag == found.tag:
        raise Refused("release-known", f"version {held.version} for {held.board} is here already: nothing was changed")
    if held.counter >= found.counter:
        raise Refused(
            "release-older",
            f"version {held.version} with the counter {held.counter} is here already, and no reader goes back: make "
            "one with a higher counter",
        )
    if held.version == found.version:
        # A reader says the version of what it runs: two of one name could not be told apart.
        raise Refused("release-version", f"there is a version {held.version} for {held.board}: give this another name")


def listed(connection: Connection, institution_id: int, board: str | None = None) -> list[Release]:
    """All of them, or those for one kind of board; the newest of each board first."""
    columns = [firmware_release.c[name] for name in Release.__dataclass_fields__ if name != "by"]
    query = (
        select(*columns, account.c.shown_name.label("by"))
        .outerjoin(account, account.c.id == firmware_release.c.by_account_id)
        .where(firmware_release.c.institution_id == institution_id)
        .order_by(firmware_release.c.board, firmware_release.c.counter.desc())
    )
    if board is not None:
        query = query.where(firmware_release.c.board == board)
    return [Release(**row._mapping) for row in connection.execute(query)]


def one(connection: Connection, institution_id: int, release_id: int) -> Release:
    """Raises NotFound(`release`)."""
    for found in listed(connection, institution_id):
        if found.id == release_id:
            return found
    raise NotFound("release", "there is no such release: the page of releases lists them")


def pack(connection: Connection, institution_id: int, tag: str) -> bytes:
    """Its bytes, for a gateway of this institution. Raises NotFound(`release`)."""
    query = select(firmware_release.c.pack).where(
        firmware_release.c.institution_id == institution_id, firmware_release.c.tag == tag
    )
    found = connection.execute(query).scalar()
    if found is None:
        raise NotFound("release", "there is no such release")
    return bytes(found)
