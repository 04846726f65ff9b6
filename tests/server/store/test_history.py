"""The history of registers: chained, complete, and erasable where it has to be (LOUGH-7, LOUGH-39)."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update

from server import heads_file
from server.errors import StoreError
from server.store import (
    bursary,
    cancellations,
    chains,
    derivations,
    hands,
    history,
    institutions,
    notes,
    request_kinds,
    schema,
    schema_work,
    wanted_marks,
)
from server.store.engine import reading, writing
from server.store.schema_work import history as entries
from tests.rules import rule
from tests.server.lesson_world import a_lesson, broken, do, kept_now, last, set_, tutor
from tests.server.store_world import HOUR, NINE, World

DAY = 24 * HOUR
pytestmark = rule("LOUGH-39")


@pytest.fixture
def lesson(world):
    """A lesson at nine: two swipes came, one student is marked by hand with a remark, the register is verified."""
    return a_lesson(world)


def test_everything_that_happens_to_a_register_is_an_entry_of_one_chain(world, lesson):
    session, scope = lesson
    world.now_ms = NINE + 2 * HOUR
    world.settle()
    world.now_ms = NINE + 3 * DAY
    world.settle()
    rows = [row for row in world.all(entries) if row.session_id == session]
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    kinds = [row.kind for row in rows]
    assert (kinds.count("mark") >= 2, kinds.count("verify"), kinds.count("release")) == (True, 1, 1)
    assert {row.by_account_id for row in rows} == {None, scope.account_id}
    assert broken(world) == []
    with reading(world.engine) as connection:
        found = chains.walk(connection)
    assert (found.registers, found.entries, found.before) == (1, len(rows), 0)
    assert found.marks == len(world.all(schema.mark)) > 3


def test_the_history_holds_no_name_and_no_remark_and_a_note_is_erased_without_a_break(world, lesson):
    _session, _ = lesson
    said = " ".join(row.body for row in world.all(entries))
    assert "bus" not in said and "Example" not in said and "tutor" not in said.lower()
    (remark,) = world.all(schema.note)
    assert "bus" in remark.text and len(remark.salt) == 16
    assert notes.digest(remark.salt, remark.text) in said
    with writing(world.engine) as connection:
        assert notes.erase(connection, world.institution_id, [remark.id], world.now_ms) == 1
        assert notes.erase(connection, world.institution_id, [remark.id], world.now_ms) == 0
    (erased,) = world.all(schema.note)
    assert (erased.text, erased.salt, erased.erased_ms) == ("", None, world.now_ms)
    assert broken(world, kept_now(world)) == []


def test_a_text_cannot_be_put_into_an_entry(world, lesson):
    session, _scope = lesson
    for body in ({"why": "Jane was ill"}, {"marks": [{"who": "Jané"}]}, {"at": 1.5}):
        with pytest.raises(ValueError, match="history entry"), writing(world.engine) as connection:
            derivations.lock_registers(connection, world.institution_id, [session])
            history.append(
                connection,
                institution_id=world.institution_id,
                session_id=session,
                kind="test",
                body=body,
                by_account_id=None,
                now_ms=world.now_ms,
            )


def test_a_mark_that_is_altered_silently_is_found(world, lesson):
    session, _ = lesson
    mark = last(world, schema.mark, session)
    row = schema.mark.c.id == mark.id
    for column, value in (("code", "P"), ("late_min", 1), ("created_ms", 5), ("verified", False), ("rule", "x"),
                          ("by_account_id", None), ("ledgers", "bursary"), ("authority", "me")):  # fmt: skip
        do(world, update(schema.mark).where(row).values({column: value}))
        assert "mark-altered" in broken(world), column
        do(world, update(schema.mark).where(row).values({column: getattr(mark, column)}))
        assert broken(world) == []
    do(world, update(schema.mark).where(row).values(person_id=world.students[2]))
    assert "mark-altered" in broken(world)


def test_a_mark_that_is_removed_or_inserted_or_shown_in_anothers_place_is_found(world, lesson):
    session, _ = lesson
    marks = [row for row in world.all(schema.mark) if row.person_id == world.students[0]]
    here = (schema.mark_current.c.session_id == session, schema.mark_current.c.person_id == world.students[0])
    do(world, update(schema.mark_current).where(*here).values(mark_id=marks[0].id))
    assert broken(world) == ["mark-current"]
    do(world, delete(schema.mark).where(schema.mark.c.id == marks[-1].id))
    assert sorted(broken(world)) == ["mark-current", "mark-missing"]
    new = dict(marks[0]._mapping) | {"id": marks[-1].id + 50, "code": "B"}
    do(world, insert(schema.mark).values(new))
    assert sorted(broken(world)) == ["mark-current", "mark-missing", "mark-unknown"]


def test_an_entry_that_is_altered_is_found_as_the_first_that_does_not_follow(world, lesson):
    session, _ = lesson
    rows = [row for row in world.all(entries) if row.session_id == session]
    assert len(rows) >= 3
    for row in rows:
        for column, value in (("body", row.body.replace('"code":"', '"code":"Z')), ("at_ms", 7), ("kind", "note"),
                              ("by_account_id", None if row.by_account_id else 1), ("hash", bytes(32))):  # fmt: skip
            if value == getattr(row, column):
                continue
            do(world, update(entries).where(entries.c.id == row.id).values({column: value}))
            with reading(world.engine) as connection:
                first = chains.walk(connection).breaks[0]
            assert (first.code, first.seq) == ("entry-altered", row.seq), column
            do(world, update(entries).where(entries.c.id == row.id).values({column: getattr(row, column)}))
    assert broken(world) == []


def test_an_entry_that_is_altered_with_its_own_hash_fitting_breaks_the_one_after_it(world, lesson):
    session, _ = lesson
    first, second, *_ = [row for row in world.all(entries) if row.session_id == session]
    assert second.seq == 2
    values = {name: first._mapping[name] for name in ("institution_id", "session_id", "seq", "kind", "by_account_id")}
    made = history.entry_hash(history.NOTHING, **values, at_ms=first.at_ms + 1, body=first.body)
    do(world, update(entries).where(entries.c.id == first.id).values(at_ms=first.at_ms + 1, hash=made))
    with reading(world.engine) as connection:
        found = chains.walk(connection).breaks[0]
    assert (found.code, found.seq) == ("entry-altered", 2)


def test_an_entry_that_is_taken_out_of_the_middle_is_found(world, lesson):
    session, _ = lesson
    do(world, delete(entries).where(entries.c.session_id == session, entries.c.seq == 2))
    with reading(world.engine) as connection:
        first = chains.walk(connection).breaks[0]
    assert (first.code, first.seq) == ("entry-missing", 2)


def test_a_chain_that_is_cut_with_its_marks_shows_by_the_heads_that_were_kept(world, lesson):
    session, _ = lesson
    kept = kept_now(world)
    rows = [row for row in world.all(entries) if row.session_id == session]
    # The verification, as if it had never been: entry, mark rows, what holds, and the register's own row.
    new = [row for row in world.all(schema.mark) if row.created_ms == rows[-1].at_ms]
    assert rows[-1].kind == "verify" and new
    for row in new:
        before = max(one.id for one in world.all(schema.mark) if one.person_id == row.person_id and one.id < row.id)
        here = (schema.mark_current.c.session_id == session, schema.mark_current.c.person_id == row.person_id)
        do(world, update(schema.mark_current).where(*here).values(mark_id=before))
        do(world, delete(schema.mark).where(schema.mark.c.id == row.id))
    do(world, delete(entries).where(entries.c.id == rows[-1].id))
    state = schema.register.c.session_id == session
    do(world, update(schema.register).where(state).values(verified_ms=None, verified_by_account_id=None))
    assert broken(world) == [], "by itself it looks whole"
    assert broken(world, kept) == ["chain-cut"]


def test_a_chain_that_is_written_anew_with_fitting_hashes_shows_by_the_heads_that_were_kept(world, lesson):
    session, _ = lesson
    kept = kept_now(world)
    before = history.NOTHING
    for row in [row for row in world.all(entries) if row.session_id == session]:
        values = {name: row._mapping[name] for name in ("institution_id", "session_id", "seq", "kind", "by_account_id")}
        body = row.body.replace('"code":"A"', '"code":"B"')
        before = history.entry_hash(before, **values, at_ms=row.at_ms, body=body)
        do(world, update(entries).where(entries.c.id == row.id).values(body=body, hash=before))
    do(world, update(schema.mark).where(schema.mark.c.code == "A").values(code="B"))
    assert broken(world) == [], "by itself it looks whole"
    assert broken(world, kept) == ["chain-rewritten"]


def test_a_register_whose_whole_history_is_gone_is_found(world, lesson):
    _session, _ = lesson
    other = world.session(NINE + 3 * HOUR, profile="lough")
    world.now_ms = NINE + 3 * HOUR
    set_(world, tutor(world, other, "other"), other, "P")
    kept = kept_now(world)
    do(world, delete(entries).where(entries.c.session_id == other))
    assert broken(world) == ["mark-unknown"]
    assert broken(world, kept) == ["chain-cut", "mark-unknown"]


def test_what_stands_on_the_register_itself_is_compared_too(world, lesson):
    session, _ = lesson
    here = schema.register.c.session_id == session
    state = last(world, schema.register, session)
    for values in ({"verified_ms": 5}, {"verified_by_account_id": None}, {"evidence": "complete"}):
        do(world, update(schema.register).where(here).values(values))
        assert broken(world) == ["register-altered"], values
        do(world, update(schema.register).where(here).values({name: state._mapping[name] for name in values}))
    (remark,) = world.all(schema.note)
    for values in ({"text": "said nothing"}, {"salt": b"x" * 16}, {"salt": None}):
        do(world, update(schema.note).values(values))
        assert broken(world) == ["note-altered"], values
        do(world, update(schema.note).values(text=remark.text, salt=remark.salt))
    assert broken(world) == []


def test_bursary_that_nobody_granted_and_a_correction_that_was_taken_away_are_found(world, lesson):
    session, scope = lesson
    one, two = world.students[:2]
    with writing(world.engine) as connection:
        derivations.lock_registers(connection, world.institution_id, [session])
        history.append(
            connection, institution_id=world.institution_id, session_id=session, kind=history.BURSARY,
            body={"request": 1, "persons": [one]}, by_account_id=scope.account_id, now_ms=world.now_ms,
        )  # fmt: skip
        bursary.grant(
            connection, world.institution_id, session, [one], request_id=None, account_id=scope.account_id,
            now_ms=world.now_ms,
        )  # fmt: skip
        made = hands.record(
            connection, world.institution_id, session, [wanted_marks.Wanted(person_id=two, code="P")],
            source=request_kinds.SOURCE, rule="lough.tier.7d", authority="request/1:LOUGH-32",
            by_account_id=scope.account_id, now_ms=world.now_ms, profiles=world.profiles,
        )  # fmt: skip
    row = {"mark_id": made[two], "person_id": two, "rule": "LOUGH-32", "day": "2026-10-05", "created_ms": 1}
    world.insert(schema.correction, **row)
    assert broken(world) == []
    do(world, update(schema_work.bursary_grant).values(person_id=two))
    assert broken(world) == ["grant-altered"]
    do(world, delete(schema_work.bursary_grant))
    assert broken(world) == ["grant-altered"]
    world.insert(
        schema_work.bursary_grant, session_id=session, person_id=one, by_account_id=scope.account_id, created_ms=1
    )
    assert broken(world) == []
    do(world, delete(schema.correction))
    assert broken(world) == ["grant-altered"]
    # Also where a register has no history at all.
    world.insert(schema.correction, **row)
    other = world.session(NINE + 3 * HOUR, profile="lough")
    world.insert(
        schema_work.bursary_grant, session_id=other, person_id=one, by_account_id=scope.account_id, created_ms=1
    )
    assert broken(world) == ["grant-altered"]


def test_a_class_that_is_brought_back_past_muster_is_found(world, lesson):
    session, scope = lesson
    with writing(world.engine) as connection:
        cancellations.cancel(connection, scope, world.profiles, session, reason="ill", now_ms=world.now_ms)
    here = schema.session.c.id == session
    cancelled_ms = world.now_ms
    assert broken(world) == []
    for values in ({"cancelled_ms": None}, {"cancelled_ms": 5}, {"cancelled_by_account_id": None}):
        do(world, update(schema.session).where(here).values(values))
        assert broken(world) == ["register-altered"], values
        whole = {"cancelled_ms": cancelled_ms, "cancelled_by_account_id": scope.account_id}
        do(world, update(schema.session).where(here).values(whole))
    assert broken(world) == []


# --- heads written off the host ---------------------------------------------------------------------------------------


def here(world):
    with reading(world.engine) as connection:
        return institutions.one(connection, world.institution_id)


def test_the_heads_are_written_once_a_day_and_say_what_was_added_since_the_months_first(world, lesson, tmp_path):
    _session, _scope = lesson

    def write():
        with reading(world.engine) as connection:
            return heads_file.write_daily(connection, here(world), tmp_path, world.now_ms)

    first = write()
    assert first is not None and heads_file.read(first).since is None
    assert write() is None
    world.now_ms += DAY
    quiet = write()
    assert quiet is not None
    other = world.session(world.now_ms, profile="lough")
    world.now_ms += DAY
    set_(world, tutor(world, other, "other"), other, "P")
    busy = write()
    assert busy is not None
    assert [len(heads_file.read(path).lines) for path in (first, quiet, busy)] == [1, 1, 2]
    world.now_ms += DAY
    assert broken(world, heads_file.kept(heads_file.files(tmp_path))) == []
    do(world, update(entries).where(entries.c.session_id == other).values(hash=bytes(32)))
    assert set(broken(world, heads_file.kept([busy]))) == {"chain-rewritten", "entry-altered"}
    assert not list(tmp_path.glob("*.part"))


def test_a_heads_file_that_was_altered_or_cut_is_refused(world, lesson, tmp_path):
    with reading(world.engine) as connection:
        path = heads_file.write_daily(connection, here(world), tmp_path, world.now_ms)
    assert path is not None
    good = path.read_text()
    seq = good.splitlines()[-1].split()[1]
    bad = (
        good[:-1],
        good.replace(f" {seq} ", f" {int(seq) + 1} "),
        good.replace("main", "other"),
        good.replace("before: -", "before: 5 5 " + "0" * 64),
        good.replace("previous: -", "previous: " + "0" * 64),
        "",
        "muster heads 1\n",
        "muster heads 2\n",
    )
    for one in bad:
        path.write_text(one if one != good[:-1] else good[: good.rindex("\n", 0, -1) + 1])
        with pytest.raises(StoreError) as refused:
            heads_file.read(path)
        assert refused.value.code == "heads-file"
    path.write_text(good)
    assert heads_file.text(heads_file.read(path)) == good


# --- any alteration ---------------------------------------------------------------------------------------------------

COLUMNS = ("institution_id", "session_id", "seq", "kind", "at_ms", "by_account_id", "body", "hash")


@pytest.fixture(scope="module")
def whole(empty_sqlite, tmp_path_factory):
    """A lesson's history, made once."""
    path = tmp_path_factory.mktemp("whole") / "muster.db"
    path.write_bytes(empty_sqlite.read_bytes())
    world = World(f"sqlite:///{path}")
    session, scope = a_lesson(world)
    world.now_ms += HOUR
    set_(world, scope, session, "P", "P", "L")
    yield world
    world.close()


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_of_any_entry_is_found_by_chain_and_heads(whole, data):
    kept = kept_now(whole)
    assert broken(whole, kept) == []
    rows = whole.all(entries)
    row = data.draw(st.sampled_from(rows))
    column = data.draw(st.sampled_from((*COLUMNS, "gone")))
    now = getattr(row, column, None)
    value = None
    if column == "body":
        place = data.draw(st.integers(0, len(row.body) - 1))
        value = (
            row.body[:place]
            + chr((ord(row.body[place]) + data.draw(st.integers(1, 90)) - 32) % 95 + 32)
            + row.body[place + 1 :]
        )
    elif column == "hash":
        place = data.draw(st.integers(0, 31))
        value = bytes(byte ^ (1 if at == place else 0) for at, byte in enumerate(row.hash))
    elif column == "kind":
        value = data.draw(st.text("abcdefgh-", min_size=1, max_size=8).filter(lambda word: word != now))
    elif column == "seq":
        value = data.draw(st.integers(len(rows) + 1, 10_000))
    elif column != "gone":
        value = data.draw(st.integers(1, 2**40).filter(lambda number: number != now))
    with whole.engine.connect() as connection:
        raw = connection.connection.driver_connection
        raw.execute("PRAGMA foreign_keys=OFF")
        try:
            if column == "gone":
                raw.execute("DELETE FROM history WHERE id = ?", (row.id,))
            else:
                raw.execute(f"UPDATE history SET {column} = ? WHERE id = ?", (value, row.id))
            assert broken(whole, kept) != [], (column, value)
        finally:
            raw.execute("DELETE FROM history WHERE id = ?", (row.id,))
            names = ", ".join(row._mapping)
            raw.execute(f"INSERT INTO history ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row))
            raw.execute("PRAGMA foreign_keys=ON")
