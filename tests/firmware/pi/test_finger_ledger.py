"""The kiosk's ledger on SQLite: what it says stays, and what it cannot keep it does not say."""

import sqlite3

import pytest

from firmware.pi.finger_ledger import FILE, FingerLedger
from firmware.reader.errors import StorageFailed
from firmware.reader.slots import ERASING, HELD, Row

ROW = Row(3, 7, "1:0a1b2c3d4e5f6071", "1:1111111111111111", HELD, 1000, None, None)
TOKEN, OLD, NEW = b"t" * 8, b"o" * 8, b"n" * 8


def test_what_was_put_is_there_after_a_start_and_what_was_dropped_is_not(tmp_path):
    ledger = FingerLedger(tmp_path)
    ledger.put([ROW, Row(5, None, None, None, ERASING, 0, "erased", "sensor-other")])
    ledger.drop(3)
    ledger.put([Row(6, 8, None, None, HELD, 0, None, None)])
    ledger.say("lid", "opened")
    before = ledger.rows()
    ledger.close()
    ledger = FingerLedger(tmp_path)
    assert ledger.rows() == before
    assert [row.slot for row in before] == [5, 6]
    assert (ledger.said("lid"), ledger.said("place"), ledger.alarms) == ("opened", None, [])
    ledger.close()


def test_tries_belong_to_a_pin_and_a_new_pin_has_none(tmp_path):
    ledger = FingerLedger(tmp_path)
    assert [ledger.tried(TOKEN, OLD) for _ in range(3)] == [1, 2, 3]
    ledger.close()
    ledger = FingerLedger(tmp_path)
    assert (ledger.tries(TOKEN, OLD), ledger.tries(TOKEN, NEW)) == (3, 0)
    ledger.tried(TOKEN, NEW)
    ledger.forgive(TOKEN)
    assert (ledger.tries(TOKEN, OLD), ledger.tries(TOKEN, NEW)) == (0, 0)
    ledger.close()


def test_every_commit_is_synced_before_it_returns(tmp_path):
    ledger = FingerLedger(tmp_path)
    ledger.put([ROW])
    assert ledger._database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert ledger._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    ledger.close()


@pytest.mark.parametrize("text", [b"", b"x" * 5000])
def test_a_file_that_is_no_ledger_is_set_aside_or_made_and_never_believed(tmp_path, text):
    (tmp_path / FILE).write_bytes(text)
    ledger = FingerLedger(tmp_path)
    assert ledger.rows() == []
    assert ledger.alarms == (["kiosk-ledger-damaged"] if text else [])
    ledger.put([ROW])
    ledger.close()


def test_a_ledger_of_another_release_is_left_alone_and_nothing_is_done_with_it(tmp_path):
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("PRAGMA user_version = 99")
    before = (tmp_path / FILE).read_bytes()
    ledger = FingerLedger(tmp_path)
    assert ledger.alarms == ["kiosk-ledger-not-open"]
    with pytest.raises(StorageFailed):
        ledger.rows()
    assert (tmp_path / FILE).read_bytes() == before


def test_a_failure_is_final_and_nothing_of_it_is_believed(tmp_path):
    ledger = FingerLedger(tmp_path)
    ledger._database.execute("DROP TABLE slot")
    with pytest.raises(StorageFailed):
        ledger.put([ROW])
    for call in (ledger.rows, lambda: ledger.tries(TOKEN, OLD), lambda: ledger.drop(3)):
        with pytest.raises(StorageFailed):
            call()
    assert ledger.failed
    ledger.close()
