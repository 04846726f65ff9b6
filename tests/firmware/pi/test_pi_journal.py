"""The Pi's journal as a Storage, as docs/wire.md has it; what a crash does to it is test_journal_cuts.py's."""

import errno
import sqlite3
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.contract.mac import Key
from firmware.contract.statement import Held
from firmware.pi import journal as journal_module
from firmware.pi.journal import CHECKPOINT_EVERY, KEEP_FREED_MS, PERSIST_FREED_MS, STEP, SqliteJournal
from firmware.reader.errors import StorageFailed, StorageFull
from firmware.reader.journal import Journal

A, B, C = "a" * 16, "b" * 16, "c" * 16
MAC = bytes(range(16))
HOUR_MS = 3_600_000


class Time:
    def __init__(self) -> None:
        self.ms = 0

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture
def opened(tmp_path, now):
    """`opened(**options)` closes the one before and opens the journal anew."""
    made = []

    def make(**options) -> SqliteJournal:
        for journal in made:
            journal.close()
        made.append(SqliteJournal(tmp_path / "data", uptime_ms=now, **options))
        return made[-1]

    yield make
    for journal in made:
        journal.close()


def fill(journal: SqliteJournal, name: str, count: int, first: int = 0) -> None:
    for seq in range(first, first + count):
        journal.append(name, seq, f"1|swipe|{name}|{seq}", MAC)


def line(name: str, seq: int) -> str:
    return f"1|swipe|{name}|{seq}|{MAC.hex()}"


def test_what_was_appended_is_read_back_in_order_and_after_a_restart(opened):
    journal = opened()
    assert (journal.journals(), journal.read(A, 0, 9)) == ([], [])
    fill(journal, B, 3)
    fill(journal, A, 2)
    for again in (False, True):
        now = opened() if again else journal
        assert now.journals() == [Held(B, 0, -1, 2), Held(A, 0, -1, 1)]
        assert now.read(B, 1, 1) == [line(B, 1)]
        assert now.read(B, 1, 99) == [line(B, 1), line(B, 2)]
        assert now.read(B, 3, 99) == []


@pytest.mark.parametrize("seq", [0, 1, 3])
def test_a_number_out_of_order_is_final(opened, seq):
    journal = opened()
    fill(journal, A, 2)
    with pytest.raises(StorageFailed, match="restart"):
        journal.append(A, seq, "1|x", MAC)
    with pytest.raises(StorageFailed, match="before"):
        journal.append(A, 2, "1|x", MAC)
    assert journal.read(A, 0, 9) == [line(A, 0), line(A, 1)]  # what is kept can still be delivered


def test_what_was_freed_is_told_after_a_restart(opened):
    journal = opened()
    fill(journal, A, 5)
    journal.free(A, 2)
    assert journal.journals() == [Held(A, 0, 2, 4)]
    journal.free(A, 1)  # an older receipt, late
    assert opened().journals() == [Held(A, 0, 2, 4)]


def test_what_was_freed_is_persisted_between_taps_without_a_good_end(opened, now, tmp_path):
    journal = opened()
    fill(journal, A, 5)
    journal.free(A, 3)
    assert not journal.idle()
    now.ms += PERSIST_FREED_MS
    assert journal.idle()
    journal._database.close()  # no `close`
    assert opened().journals() == [Held(A, 0, 3, 4)]


def test_freed_records_are_kept_for_72_hours_where_there_is_room(opened, now):
    journal = opened()
    fill(journal, A, 5)
    fill(journal, B, 5)
    journal.free(A, 4)
    journal.free(B, 4)
    now.ms += KEEP_FREED_MS - HOUR_MS
    journal.idle()
    assert [h.oldest for h in journal.journals()] == [0, 0]
    now.ms += 2 * HOUR_MS
    while journal.idle():
        pass
    # The newest journal's last record stays: the next one's first names it.
    assert journal.journals() == [Held(B, 4, 4, 4)]
    assert opened().journals() == [Held(B, 4, 4, 4)]


def test_a_restart_or_a_clock_recycles_nothing_early(opened, now):
    journal = opened()
    fill(journal, A, 5)
    journal.free(A, 3)
    now.ms += KEEP_FREED_MS - HOUR_MS
    journal = opened()
    now.ms += 2 * HOUR_MS
    journal.idle()
    assert journal.journals()[0].oldest == 0


def test_a_full_journal_refuses_and_overwrites_nothing(opened):
    journal = opened(capacity=10)
    fill(journal, A, 10)
    assert journal.room() == 0
    for _ in range(3):
        with pytest.raises(StorageFull):
            journal.append(A, 10, "1|x", MAC)
    assert journal.journals() == [Held(A, 0, -1, 9)]
    journal.free(A, 4)
    assert journal.room() == 4
    fill(journal, A, 4, first=10)  # full is not final
    assert journal.journals()[0].oldest == 5
    assert journal.read(A, 5, 1) == [line(A, 5)]


def test_freed_records_give_way_between_taps_before_the_journal_is_full(opened):
    journal = opened(capacity=2 * STEP)
    fill(journal, A, STEP + 10)
    journal.free(A, STEP + 5)
    assert journal.idle()  # the WAL goes first
    assert journal.idle()
    assert journal.journals() == [Held(A, STEP, STEP + 5, STEP + 9)]


def test_what_the_store_lost_is_kept_until_it_has_a_receipt_again(opened, now):
    journal = opened()
    fill(journal, A, 6)
    journal.free(A, 5)
    journal.unfree(A, 2)
    assert journal.journals() == [Held(A, 0, 1, 5)]
    now.ms += KEEP_FREED_MS + HOUR_MS
    while journal.idle():
        pass
    assert journal.journals() == [Held(A, 2, 1, 5)]
    journal.free(A, 5)
    assert opened().journals() == [Held(A, 2, 5, 5)]


def test_room_is_bounded_by_the_disk_too(opened):
    free = [journal_module.DISK_RESERVE_BYTES]
    journal = opened(disk_free_bytes=lambda: free[0])
    assert journal.room() == 0
    free[0] += 3 * journal_module.RECORD_BYTES
    assert journal.room() == 3
    free[0] = 1 << 40
    assert journal.room() == journal_module.CAPACITY - 1


def test_the_wal_is_carried_over_between_taps_and_stays_small(opened, tmp_path):
    journal = opened()
    fill(journal, A, CHECKPOINT_EVERY)
    wal = tmp_path / "data" / "journal-1.db-wal"
    assert wal.stat().st_size > 0
    assert journal.idle()
    assert wal.stat().st_size == 0
    fill(journal, A, journal_module.CHECKPOINT_AT_LAST + 50, first=CHECKPOINT_EVERY)  # never idle
    assert wal.stat().st_size < 12 << 20


def test_a_second_process_may_not_open_it(opened, repo, tmp_path):
    fill(opened(), A, 1)
    code = (
        "import sys; from pathlib import Path; from firmware.pi.journal import SqliteJournal;"
        "SqliteJournal(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "data")], cwd=repo, capture_output=True, text=True, timeout=30
    )
    assert "StorageFailed" in done.stderr
    assert "SQLITE_BUSY" in done.stderr


@pytest.mark.parametrize("pragma", ["user_version = 99", "application_id = 1"])
def test_a_database_that_is_not_this_journals_is_refused_and_left_alone(opened, tmp_path, pragma):
    journal = opened()
    fill(journal, A, 2)
    journal.close()
    with sqlite3.connect(tmp_path / "data" / "journal-1.db") as database:
        database.execute(f"PRAGMA {pragma}")
    database.close()
    with pytest.raises(StorageFailed, match="must be"):
        SqliteJournal(tmp_path / "data")
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["journal-1.db"]


def test_a_database_that_is_no_longer_one_is_left_aside_and_said_so(opened, tmp_path):
    fill(opened(), A, 3)
    opened().close()
    path = tmp_path / "data" / "journal-1.db"
    path.write_bytes(b"not a database " * 1000)
    journal = opened()
    assert journal.alarms == ["journal-damaged"]
    assert journal.journals() == []
    fill(journal, B, 2)
    assert path.read_bytes().startswith(b"not a database")
    journal = opened()
    assert (journal.alarms, journal.journals()) == ([], [Held(B, 0, -1, 1)])


def damage(path, count=400):
    """Change one record behind its checksum."""
    with sqlite3.connect(path) as database:
        database.execute("UPDATE record SET line = line || 'x' WHERE seq = 7")
    database.close()


def overwrite_a_page(path):
    data = bytearray(path.read_bytes())
    middle = len(data) // 4096 // 2 * 4096
    data[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(data)


@pytest.mark.parametrize("how, kept", [(damage, 399), (overwrite_a_page, 300)])
def test_what_can_still_be_read_of_a_damaged_database_is_saved(opened, tmp_path, how, kept):
    journal = opened()
    fill(journal, A, 200)
    fill(journal, B, 200)
    journal.free(A, 99)
    journal.close()
    path = tmp_path / "data" / "journal-1.db"
    how(path)
    before = path.stat().st_size
    if how is damage:
        with sqlite3.connect(path) as database:
            database.execute("UPDATE record SET line = substr(line, 1, length(line) - 1) WHERE journal = 2 AND seq = 7")
        database.close()
    journal = opened()
    assert journal.alarms == ["journal-damaged"]
    assert path.stat().st_size == before
    held = {h.journal: h for h in journal.journals()}
    assert held[A].freed == 99
    lines = [(name, got) for name in held for got in journal.read(name, 0, 999)]
    assert len(lines) >= kept
    assert all(got == line(name, int(got.split("|")[3])) for name, got in lines)
    fill(journal, C, 1)
    assert opened().alarms == []


def test_the_readers_journal_on_it_names_the_boot_before(opened):
    def boot() -> Journal:
        ids = iter([bytes([boots]) * 8])
        return Journal(
            reader="a-101", key=Key(1, bytes(32)), storage=opened(), random_bytes=lambda n: next(ids), firmware="pi"
        )

    clock = {"boot_ms": 1, "wall_ms": 2, "uncertainty_ms": 3}
    for boots in (1, 2, 3):
        journal = boot()
        for _ in range(boots):
            journal.clock(**clock)
    heads = [(h.journal[:2], h.head) for h in journal.held]
    assert heads == [("01", 1), ("02", 2), ("03", 3)]
    assert "|02020202020202" in journal.lines("03" * 8, 0, 1)[0]


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 30)),
            st.tuples(st.just("free"), st.integers(0, 200)),
            st.tuples(st.just("unfree"), st.integers(0, 200)),
            st.tuples(st.just("idle"), st.integers(0, 80)),
            st.tuples(st.just("boot"), st.just(0)),
        ),
        max_size=25,
    )
)
def test_nothing_without_a_receipt_ever_goes(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("journal")
    now = Time()
    boots = 0
    journal = SqliteJournal(folder, capacity=60, uptime_ms=now)
    waiting: dict[str, set[int]] = {}
    heads: dict[str, int] = {}
    try:
        for what, n in [("boot", 0), *steps]:
            if what == "boot":
                journal.close()
                journal = SqliteJournal(folder, capacity=60, uptime_ms=now)
                boots += 1
                live = f"{boots:016x}"
            elif what == "append":
                for _ in range(n):
                    seq = heads.get(live, -1) + 1
                    try:
                        journal.append(live, seq, f"1|swipe|{live}|{seq}", MAC)
                    except StorageFull:
                        assert sum(map(len, waiting.values())) >= 59
                        break
                    heads[live] = seq
                    waiting.setdefault(live, set()).add(seq)
            elif what == "idle":
                now.ms += n * HOUR_MS
                journal.idle()
            else:
                for held in journal.journals()[n % 2 :]:
                    seq = min(n, held.head)
                    if what == "free":
                        journal.free(held.journal, seq)
                        waiting[held.journal] -= set(range(seq + 1))
                    else:
                        journal.unfree(held.journal, max(seq, held.oldest))
                        if seq <= held.freed:
                            waiting[held.journal] |= set(range(max(seq, held.oldest), held.freed + 1))
            kept = {h.journal: h for h in journal.journals()}
            for name, seqs in waiting.items():
                if seqs:
                    lines = journal.read(name, min(seqs), 999)
                    assert {line(name, seq) for seq in seqs} <= set(lines)
                    assert kept[name].freed < min(seqs)
            assert sum(h.head - h.oldest + 1 for h in kept.values()) <= 60
            if heads:
                assert list(kept)[-1] == max(heads)
                assert kept[max(heads)].head == heads[max(heads)]
            # Room is a promise.
            assert journal.room() <= 60 - sum(map(len, waiting.values()))
    finally:
        journal.close()


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="SD card") as caught:
        SqliteJournal(tmp_path / "file" / "data")
    assert caught.value.__cause__.errno == errno.ENOTDIR
