"""What a message becomes, whatever its bytes are."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.contract import envelope, statement, topics
from gateway.arrival import RAW_MAX, arrivals

TOPICS = st.one_of(
    st.text(),
    st.builds("muster/v1/{}/{}/{}".format, st.text(), st.text(), st.text()),
    st.builds("muster/v1/main/a-101/{}".format, st.sampled_from(topics.UP + topics.DOWN)),
)
PAYLOADS = st.one_of(
    st.binary(),
    st.text().map(str.encode),
    st.builds(lambda lines: json.dumps({"v": 1, "lines": lines}).encode(), st.lists(st.text())),
    st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=8).map(lambda v: json.dumps(v).encode()),
)


@given(TOPICS, PAYLOADS)
def test_any_bytes_on_any_topic_become_something_that_can_be_spooled(topic, payload):
    found = arrivals(topic, payload, 1)
    assert found
    for arrival in found:
        assert len(arrival.id) == hashlib.sha256().digest_size
        assert arrival.lane.count("/") == 2
        assert arrival.kind in ("record", "hello", "head", "status", "health", "raw")
        assert (arrival.kind == "raw") == bool(arrival.problem)
        arrival.line.encode()


def test_each_record_of_a_message_is_an_arrival_of_its_own_in_its_journals_lane(lines):
    found = arrivals(lines.topic(), lines.message(lines.swipe(seq=1), lines.swipe(seq=2, journal="f" * 16)), 1)
    assert [(a.kind, a.lane, a.seq) for a in found] == [
        ("record", "main/a-101/9f8e7d6c5b4a3210", 1),
        ("record", "main/a-101/" + "f" * 16, 2),
    ]


def test_a_line_that_cannot_be_read_does_not_hold_up_the_good_ones_beside_it(lines):
    bad = "1|swipe|a-101|neither"
    found = arrivals(lines.topic(), envelope.wrap([lines.swipe(), bad]), 1)
    assert len(found) == 2, "what cannot be read is forwarded, too"
    good, raw = found
    assert (good.kind, raw.kind, raw.raw, raw.topic) == ("record", "raw", bad.encode(), lines.topic())
    assert raw.problem == "statement-kind"


def test_a_line_that_is_repeated_on_another_readers_topic_does_not_pass_for_the_first(lines):
    line = lines.swipe()
    first, other = (arrivals(lines.topic(reader), lines.message(line), 1)[0] for reader in ("a-101", "b-202"))
    assert first.id != other.id


def test_the_same_record_in_another_message_is_the_same_arrival(lines):
    alone = arrivals(lines.topic(), lines.message(lines.swipe()), 1)[0]
    among = arrivals(lines.topic(), lines.message(lines.swipe(seq=8), lines.swipe()), 99)[1]
    assert alone == among


def test_online_again_is_not_the_same_as_online_before(lines):
    first, again = (arrivals(lines.topic(kind="status"), b'{"v":1,"state":"online"}', ms)[0] for ms in (1, 2))
    assert first.kind == again.kind == "status"
    assert first.id != again.id


def test_a_message_larger_than_any_is_cut_and_says_so(lines):
    [raw] = arrivals(lines.topic(), b"x" * (RAW_MAX + 1), 1)
    assert (raw.kind, len(raw.raw), raw.cut) == ("raw", RAW_MAX, True)


def test_a_hello_on_the_swipes_topic_is_forwarded_raw(lines):
    [raw] = arrivals(lines.topic(), lines.message(lines.hello()), 1)
    assert (raw.kind, raw.problem, raw.raw) == ("raw", "statement-kind", lines.hello().encode())


@pytest.mark.parametrize("kind", ["checkin", "kiosk"])
def test_a_kiosks_records_arrive_as_journal_records_in_their_own_lane(lines, kind):
    values = {
        "journal": "9f8e7d6c5b4a3210", "seq": 3, "evidence": "t1:0a1b2c3d4e5f6071", "method": "pin", "boot_ms": 1,
        "witness": "1:1111111111111111", "wall_ms": None, "clock": "none", "uncertainty_ms": None, "verdict": "check",
        "tries": 2, "place": "out", "cell": "51.50,-0.12", "fix": "good", "roster": None, "event": "enrolled",
        "subject": "1:0a1b2c3d4e5f6071", "by": None, "slot": 4, "generation": 9, "detail": None,
    }  # fmt: skip
    line = statement.seal(statement.say(kind, "a-101", 1, values), bytes(16))
    [found] = arrivals(lines.topic(), lines.message(line), 1)
    assert (found.kind, found.lane, found.seq, found.line) == ("record", "main/a-101/9f8e7d6c5b4a3210", 3, line)
    [raw] = arrivals(lines.topic(kind="head"), lines.message(line), 1)
    assert (raw.kind, raw.problem) == ("raw", "statement-kind")
