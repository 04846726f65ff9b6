"""What a restored store takes over from the one it replaces, where that can still be read: who may speak and who not.

A backup knows no reader, gateway or key that was made after it, and still trusts what was revoked after it. Records
come back by themselves; these would not. Everything is found by its name, never by its number. Marks, accounts that
were made since and imports are not taken over: a store is restored because something in it was wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update

from server.store import carried_signers, institutions, readers, revocations
from server.store.schema import (
    account,
    api_token,
    card_key,
    gateway,
    institution,
    placement,
    reader,
    reader_key,
    reader_state,
    room,
    site,
)
from server.store.schema_certificates import authority_beside, issued_certificate, reader_authority
from server.store.schema_releases import release_key
from server.store.schema_trust import authority, broker_agent, broker_credential, reader_revocation
from server.store.upsert import new_id, over


@dataclass(frozen=True, kw_only=True)
class Carried:
    """Rows of the old store, as mappings. `institution` in each is the institution's name."""

    readers: list[dict[str, Any]] = field(default_factory=list)
    reader_keys: list[dict[str, Any]] = field(default_factory=list)
    placements: list[dict[str, Any]] = field(default_factory=list)
    gateways: list[dict[str, Any]] = field(default_factory=list)
    card_keys: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[dict[str, Any]] = field(default_factory=list)
    authorities: list[dict[str, Any]] = field(default_factory=list)
    #: those that held, with the reader's or the gateway's name
    credentials: list[dict[str, Any]] = field(default_factory=list)
    agents: list[dict[str, Any]] = field(default_factory=list)
    issued: list[dict[str, Any]] = field(default_factory=list)
    #: the authority beside the one that signs
    beside: list[dict[str, Any]] = field(default_factory=list)
    #: which authority readers know, with the reader's name
    aware: list[dict[str, Any]] = field(default_factory=list)
    revocations: list[dict[str, Any]] = field(default_factory=list)
    #: whose releases readers are sent
    release_keys: list[dict[str, Any]] = field(default_factory=list)
    #: taken over by itself (`carried_signers.apply`): it needs the server key
    signing: carried_signers.Signing = field(default_factory=carried_signers.Signing)


@dataclass(kw_only=True)
class Changes:
    """What was taken over, for the operator: names only."""

    readers: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    gateways: list[str] = field(default_factory=list)
    card_keys: int = 0
    closed: list[str] = field(default_factory=list)
    #: readers that are believed no more since
    revoked: list[str] = field(default_factory=list)
    #: roll-outs that were under way in the backup, and are stopped
    rollouts: int = 0
    #: cards that sign
    signing: carried_signers.Taken = field(default_factory=carried_signers.Taken)
    #: accounts that the backup does not know: they must be made again
    unknown_accounts: list[str] = field(default_factory=list)


def read(connection: Connection) -> Carried:
    """Look at the old store."""
    return Carried(
        readers=_named(
            connection,
            select(reader, site.c.name.label("site"), reader_state.c.roster_ms)
            .join(site, site.c.id == reader.c.site_id)
            .outerjoin(reader_state, reader_state.c.reader_id == reader.c.id),
            reader,
        ),
        reader_keys=_named(
            connection,
            select(reader_key, reader.c.name.label("reader")).join(reader, reader.c.id == reader_key.c.reader_id),
            reader_key,
        ),
        placements=_named(
            connection,
            select(placement, reader.c.name.label("reader"), room.c.code, room.c.title)
            .join(reader, reader.c.id == placement.c.reader_id)
            .join(room, room.c.id == placement.c.room_id)
            .order_by(placement.c.from_ms, placement.c.id),
            placement,
        ),
        gateways=_named(connection, select(gateway), gateway),
        card_keys=_named(connection, select(card_key), card_key),
        accounts=_named(connection, select(account), account),
        tokens=_named(connection, select(api_token), api_token),
        authorities=_named(connection, select(authority), authority),
        credentials=_named(
            connection,
            select(broker_credential, reader.c.name.label("reader"), gateway.c.name.label("gateway"))
            .outerjoin(reader, reader.c.id == broker_credential.c.reader_id)
            .outerjoin(gateway, gateway.c.id == broker_credential.c.gateway_id)
            .where(broker_credential.c.to_ms.is_(None)),
            broker_credential,
        ),
        agents=_named(connection, select(broker_agent), broker_agent),
        issued=_named(connection, select(issued_certificate), issued_certificate),
        beside=_named(connection, select(authority_beside), authority_beside),
        aware=_named(
            connection,
            select(reader_authority, reader.c.name.label("reader")).join(
                reader, reader.c.id == reader_authority.c.reader_id
            ),
            reader_authority,
        ),
        revocations=_named(
            connection,
            select(reader_revocation, reader.c.name.label("reader")).join(
                reader, reader.c.id == reader_revocation.c.reader_id
            ),
            reader_revocation,
        ),
        release_keys=_named(connection, select(release_key), release_key),
        signing=carried_signers.read(connection),
    )


def _named(connection: Connection, query: Any, table: Table) -> list[dict[str, Any]]:
    query = query.add_columns(institution.c.name.label("institution")).join(
        institution, institution.c.id == table.c.institution_id
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def apply(connection: Connection, old: Carried, now_ms: int) -> Changes:
    """Take over into the restored store."""
    return _Taking(connection, old, now_ms).all()


class _Taking:
    def __init__(self, connection: Connection, old: Carried, now_ms: int) -> None:
        self.connection, self.old, self.now_ms = connection, old, now_ms
        self.here = {one.name: one.id for one in institutions.every(connection)}
        self.changes = Changes()

    def all(self) -> Changes:
        self._readers()
        self._reader_keys()
        self._placements()
        self._gateways()
        self._card_keys()
        self._closed()
        self._broker()
        self._revocations()
        self._release_keys()
        return self.changes

    def _insert(self, table: Table, row: dict[str, Any], **values: Any) -> int:
        columns = {c.name: row[c.name] for c in table.c if c.name in row and c.name not in ("id", *values)}
        return new_id(
            self.connection.execute(
                table.insert().values(**{**columns, "institution_id": self.here[row["institution"]], **values})
            )
        )

    def _known(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in rows if row["institution"] in self.here]

    def _readers(self) -> None:
        there = {row.name for row in self.connection.execute(select(reader.c.name))}
        for row in self._known(self.old.readers):
            if row["name"] not in there:
                institution_id = self.here[row["institution"]]
                site_id = readers.ensure_site(self.connection, institution_id, row["site"])
                made = self._insert(reader, row, site_id=site_id)
                self.connection.execute(
                    reader_state.insert().values(
                        reader_id=made, institution_id=institution_id, roster_ms=row["roster_ms"]
                    )
                )
                self.changes.readers.append(row["name"])
            elif row["ended_ms"] is not None:
                self.connection.execute(
                    update(reader).where(reader.c.name == row["name"]).values(ended_ms=row["ended_ms"])
                )

    def _ids(self) -> dict[str, int]:
        return {row.name: row.id for row in self.connection.execute(select(reader.c.name, reader.c.id))}

    def _reader_keys(self) -> None:
        ids = self._ids()
        there = {
            (row.reader_id, row.key_id)
            for row in self.connection.execute(select(reader_key.c.reader_id, reader_key.c.key_id))
        }
        for row in self._known(self.old.reader_keys):
            reader_id = ids[row["reader"]]
            if (reader_id, row["key_id"]) not in there:
                self._insert(reader_key, row, reader_id=reader_id)
                if row["reader"] not in self.changes.readers:
                    self.changes.keys.append(row["reader"])

    def _placements(self) -> None:
        # Which door a reader serves decides what its swipes are worth: the old store knew it last.
        ids = self._ids()
        wanted: dict[str, list[dict[str, Any]]] = {}
        for row in self._known(self.old.placements):
            wanted.setdefault(row["reader"], []).append(row)
        for name, listed in wanted.items():
            query = (
                select(room.c.code, placement.c.from_ms, placement.c.to_ms)
                .join(room, room.c.id == placement.c.room_id)
                .where(placement.c.reader_id == ids[name])
                .order_by(placement.c.from_ms, placement.c.id)
            )
            there = [tuple(row) for row in self.connection.execute(query)]
            if there == [(row["code"], row["from_ms"], row["to_ms"]) for row in listed]:
                continue
            self.connection.execute(delete(placement).where(placement.c.reader_id == ids[name]))
            for row in listed:
                room_id = readers.ensure_room(self.connection, self.here[row["institution"]], row["code"], row["title"])
                self._insert(placement, row, reader_id=ids[name], room_id=room_id)
            if name not in self.changes.readers:
                self.changes.moved.append(name)

    def _gateways(self) -> None:
        there = {row.name: row for row in self.connection.execute(select(gateway))}
        for row in self._known(self.old.gateways):
            found = there.get(row["name"])
            if found is None:
                self._insert(gateway, row)
                self.changes.gateways.append(row["name"])
            elif (found.token_hash, found.revoked_ms) != (row["token_hash"], row["revoked_ms"]):
                self.connection.execute(
                    update(gateway)
                    .where(gateway.c.id == found.id)
                    .values(token_hash=row["token_hash"], revoked_ms=row["revoked_ms"])
                )
                self.changes.closed.append(f"gateway {row['name']}")

    def _broker(self) -> None:
        """Who may speak at the broker is what the old store said last: a password that had ended must not hold again."""
        there = set(self.connection.execute(select(authority.c.institution_id)).scalars())
        for row in self._known(self.old.authorities):
            here = self.here[row["institution"]]
            if here not in there:
                self._insert(authority, row)
            else:
                # It may have been turned to since the backup: readers and broker know that one.
                mine = update(authority).where(authority.c.institution_id == here)
                values = {name: row[name] for name in ("certificate", "key", "created_ms")}
                self.connection.execute(mine.values(**values))
        self.connection.execute(
            delete(authority_beside).where(authority_beside.c.institution_id.in_(self.here.values()))
        )
        for row in self._known(self.old.beside):
            values = {name: row[name] for name in ("certificate", "key", "created_ms", "turned_ms")}
            self.connection.execute(
                authority_beside.insert().values(institution_id=self.here[row["institution"]], **values)
            )
        self.connection.execute(
            update(broker_credential).where(broker_credential.c.to_ms.is_(None)).values(to_ms=self.now_ms)
        )
        ids = self._ids()
        knows = over(self.connection, reader_authority, ("reader_id",), ("sha256", "told_ms"))
        for row in self._known(self.old.aware):
            values = {name: row[name] for name in ("sha256", "told_ms")}
            whose = {"reader_id": ids[row["reader"]], "institution_id": self.here[row["institution"]]}
            self.connection.execute(knows.values(**values, **whose))
        gateways = {row.name: row.id for row in self.connection.execute(select(gateway.c.name, gateway.c.id))}
        for row in self._known(self.old.credentials):
            whose = {"reader_id": ids.get(row["reader"]), "gateway_id": gateways.get(row["gateway"])}
            self._insert(broker_credential, row, **whose)
        names = set(self.connection.execute(select(broker_agent.c.name)).scalars())
        for row in self._known(self.old.agents):
            if row["name"] in names:
                mine = update(broker_agent).where(broker_agent.c.name == row["name"])
                self.connection.execute(mine.values(token_hash=row["token_hash"]))
            else:
                self._insert(broker_agent, row)
        newest = over(self.connection, issued_certificate, ("institution_id", "name"), ("issued_ms", "ends_ms"))
        for row in self._known(self.old.issued):
            values = {name: row[name] for name in ("name", "issued_ms", "ends_ms")}
            self.connection.execute(newest.values(institution_id=self.here[row["institution"]], **values))

    def _revocations(self) -> None:
        ids = self._ids()
        for row in self._known(self.old.revocations):
            here = self.here[row["institution"]]
            if revocations.carry(self.connection, here, ids[row["reader"]], row, self.now_ms):
                self.changes.revoked.append(row["reader"])

    def _release_keys(self) -> None:
        """A key that was trusted no more must not be trusted again."""
        names = ("modulus", "added_ms", "ended_ms")
        newest = over(self.connection, release_key, ("institution_id", "number"), names)
        for row in self._known(self.old.release_keys):
            here, number = self.here[row["institution"]], row["number"]
            values = {name: row[name] for name in names}
            there = select(release_key).where(release_key.c.institution_id == here, release_key.c.number == number)
            before = self.connection.execute(there).first()
            if row["ended_ms"] is not None and before is not None and before.ended_ms is None:
                self.changes.closed.append(f"release key {number}")
            self.connection.execute(newest.values(institution_id=here, number=number, **values))

    def _card_keys(self) -> None:
        there = {(row.institution_id, row.key_id): row for row in self.connection.execute(select(card_key))}
        for row in self._known(self.old.card_keys):
            found = there.get((self.here[row["institution"]], row["key_id"]))
            if found is None:
                self._insert(card_key, row)
                self.changes.card_keys += 1
            elif found.to_ms != row["to_ms"]:
                self.connection.execute(update(card_key).where(card_key.c.id == found.id).values(to_ms=row["to_ms"]))

    def _closed(self) -> None:
        there = {row.login: row for row in self.connection.execute(select(account))}
        for row in self._known(self.old.accounts):
            found = there.get(row["login"])
            if found is None:
                self.changes.unknown_accounts.append(row["login"])
            elif (found.disabled_ms, found.password_hash, found.role) != (
                row["disabled_ms"],
                row["password_hash"],
                row["role"],
            ):
                self.connection.execute(
                    update(account)
                    .where(account.c.id == found.id)
                    .values(disabled_ms=row["disabled_ms"], password_hash=row["password_hash"], role=row["role"])
                )
                self.changes.closed.append(f"account {row['login']}")
        for row in self.old.tokens:
            if row["revoked_ms"] is not None:
                self.connection.execute(
                    update(api_token)
                    .where(api_token.c.token_hash == row["token_hash"], api_token.c.revoked_ms.is_(None))
                    .values(revoked_ms=row["revoked_ms"])
                )
