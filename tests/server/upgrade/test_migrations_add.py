"""Servers of two releases share one database: a migration only adds (docs/operations.md), and who may run on what."""

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, inspect, text

from server.store import migrations


def shape(engine) -> dict:
    """table -> what an old server's statements rest on."""
    looked = inspect(engine)
    return {
        table: {
            "columns": {column["name"]: column for column in looked.get_columns(table)},
            "unique": {tuple(sorted(one["column_names"])) for one in looked.get_unique_constraints(table)}
            | {tuple(sorted(filter(None, one["column_names"]))) for one in looked.get_indexes(table) if one["unique"]},
            "foreign": {
                (tuple(one["constrained_columns"]), one["referred_table"]) for one in looked.get_foreign_keys(table)
            },
            "checks": {one["sqltext"] for one in looked.get_check_constraints(table)},
        }
        for table in looked.get_table_names()
    }


def breaks(before: dict, after: dict) -> list[str]:
    """What a server that knows only `before` would stumble over in `after`."""
    found = []
    for table, old in before.items():
        new = after.get(table)
        if new is None:
            found.append(f"{table} is gone")
            continue
        for name, column in old["columns"].items():
            there = new["columns"].get(name)
            if there is None:
                found.append(f"{table}.{name} is gone")
            elif str(there["type"]) != str(column["type"]):
                found.append(f"{table}.{name} was {column['type']} and is {there['type']}")
            elif column["nullable"] and not there["nullable"]:
                found.append(f"{table}.{name} may no longer be empty")
            elif column["default"] is not None and there["default"] is None:
                found.append(f"{table}.{name} has no default any more")
        for name in new["columns"].keys() - old["columns"].keys():
            there = new["columns"][name]
            if not there["nullable"] and there["default"] is None:
                found.append(f"{table}.{name} is new and obligatory")
        found += [f"{table}: {kind} {one} is new" for kind in ("foreign", "checks") for one in new[kind] - old[kind]
                  if kind == "checks" or set(one[0]) <= set(old["columns"])]  # fmt: skip
        found += [
            f"{table}: {one} must now be unique"
            for one in new["unique"] - old["unique"]
            if set(one) <= set(old["columns"])
        ]
        # ON CONFLICT names them.
        found += [f"{table}: {one} need not be unique any more" for one in old["unique"] - new["unique"]]
    return found


def test_every_migration_leaves_what_the_server_before_it_rests_on(engine):
    before: dict = {}
    for revision in migrations.known():
        migrations.upgrade(engine, revision)
        after = shape(engine)
        assert breaks(before, after) == [], revision
        before = after
    assert migrations.is_current(engine)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("alter table t drop column b", "t.b is gone"),
        ("alter table t rename column b to c", "t.b is gone"),
        ("alter table t add column c integer not null default 0", None),
        ("alter table t add column c integer", None),
        ("create unique index u on t (b)", "must now be unique"),
        ("drop index a_once", "need not be unique any more"),
        ("drop table t", "t is gone"),
    ],
)
def test_a_migration_that_takes_something_away_would_be_caught(change, said):
    engine = create_engine("sqlite://")
    metadata = MetaData()
    Table("t", metadata, Column("id", Integer, primary_key=True), Column("a", Integer), Column("b", String))
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(text("create unique index a_once on t (a)"))
    before = shape(engine)
    with engine.begin() as connection:
        connection.execute(text(change))
    found = breaks(before, shape(engine))
    assert found == [] if said is None else any(said in one for one in found), found


@pytest.mark.parametrize(
    ("found", "ours", "may"),
    [
        ("0002", "0002", True),
        ("0003", "0002", True),  # a later one of this release
        ("0101", "0002", True),  # of the next release
        ("0201", "0002", False),  # of the one after it: what we use may be gone
        ("0001", "0002", False),  # not migrated yet
        (None, "0002", False),
        ("abc", "0002", False),
    ],
)
def test_a_server_runs_on_the_schema_of_its_own_release_and_of_the_next(found, ours, may):
    assert migrations.fits(found, ours) is may


def test_revisions_are_numbered_by_release_and_in_order():
    known = migrations.known()
    assert list(known) == sorted(known)
    assert all(len(one) == 4 and one.isdigit() for one in known), known


def test_a_database_of_a_newer_release_is_not_touched(engine):
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '0999'"))
    with pytest.raises(Exception, match="newer schema"):
        migrations.upgrade(engine)
    assert migrations.at(engine) == "0999"
