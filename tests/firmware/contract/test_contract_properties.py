# ruff: noqa: PT017  a property says what holds for both outcomes, and pytest.raises allows only one
"""What holds for any bytes, any text and any times: nothing but ContractError comes out, and one statement has one text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.contract import decide, envelope, roster, statement, topics
from firmware.contract.errors import ContractError, Malformed, Misuse
from firmware.contract.mac import Key, same
from tests.firmware.contract import make_vectors

KEY = Key(1, bytes(range(32)))
VECTORS = json.loads(make_vectors.PATH.read_text())
LINES = [v["line"] for v in VECTORS["statements"]]
ROSTER = bytes.fromhex(VECTORS["rosters"][0]["hex"])

hex16 = st.text("0123456789abcdef", min_size=16, max_size=16)
number = st.integers(0, statement.NUMBER_MAX)
word = st.text([chr(c) for c in range(32, 127) if chr(c) != "|"], min_size=1, max_size=64)
name = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=32)
message = st.builds(
    statement.Message, st.none() | st.integers(0, statement.COUNTER_MAX), st.binary(min_size=8, max_size=8)
)
token = st.builds(statement.Token, st.integers(1, 255), st.binary(min_size=8, max_size=8))
small = st.integers(0, 10**6)
held = st.builds(statement.Held, hex16, small, st.integers(-1, 10**6), small)
SORTS = {
    "n": number,
    "N": st.none() | number,
    "j": hex16,
    "J": st.none() | hex16,
    "h": hex16,
    "c": st.sampled_from(statement.CLOCK_STATES),
    "v": st.sampled_from(statement.VERDICTS),
    "e": st.lists(token, min_size=1, max_size=2).map(statement.evidence_of),
    "E": st.tuples(st.lists(token, max_size=2), st.none() | message).map(lambda one: statement.evidence_of(*one)),
    "w": word,
    "W": st.none() | word.filter(lambda text: text != "-"),
    "T": st.none() | token.map(lambda one: statement.evidence_of([one])[1:]),
    "l": st.lists(held, max_size=64),
}


@st.composite
def statements(draw):
    kind = draw(st.sampled_from(statement.KINDS))
    return kind, draw(name), draw(st.integers(1, 255)), {f: draw(SORTS[s]) for f, s in statement.FIELDS[kind]}


@st.composite
def spoiled_lines(draw):
    """A good line with one stretch of it replaced."""
    line = draw(st.sampled_from(LINES))
    first = draw(st.integers(0, len(line)))
    return line[:first] + draw(st.text(max_size=4)) + line[first + draw(st.integers(0, 4)) :]


@given(st.text() | spoiled_lines())
def test_any_text_is_a_statement_or_a_contract_error_and_a_statement_has_one_text(line):
    try:
        said = statement.read(line)
    except ContractError as error:
        assert error.code.startswith("statement-")
        assert len(str(error)) < 200
        return
    assert statement.say(said.kind, said.reader, said.key, said.values) == said.text
    assert statement.seal(said.text, said.mac) == line


@given(statements(), st.binary(min_size=16, max_size=16))
def test_what_is_said_is_read_as_it_was_said(said, mac):
    kind, reader, key, values = said
    text = statement.say(kind, reader, key, values)
    back = statement.read(statement.seal(text, mac))
    assert back == statement.Statement(kind, reader, key, values, text, mac)
    assert statement.say(back.kind, back.reader, back.key, back.values) == text


@given(
    st.dictionaries(
        st.sampled_from(["counter", "name", "argument"]),
        st.none() | st.text() | st.integers() | st.floats(),
        min_size=3,
    )
)
def test_what_cannot_be_read_back_cannot_be_said(values):
    try:
        text = statement.say("command", "a-101", 1, values)
    except Misuse:
        return
    assert statement.read(statement.seal(text, bytes(16))).text == text


@given(st.text() | st.text("t0123456789abcdef:,"))
def test_any_text_is_evidence_or_a_contract_error(text):
    try:
        found = statement.tokens(text)
    except ContractError:
        return
    assert statement.evidence_of(found) == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["v", "lines", "x"]), inner, max_size=3)
    ),
)


@given(st.binary() | st.text().map(str.encode) | json_values.map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_an_envelope_or_a_contract_error(payload):
    try:
        lines = envelope.unwrap(payload)
    except ContractError as error:
        assert error.code == "envelope"
        return
    assert 1 <= len(lines) <= envelope.LINES_MAX
    assert all(isinstance(line, str) for line in lines)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=20))
def test_what_is_wrapped_is_unwrapped(lines):
    assert envelope.unwrap(envelope.wrap(lines)) == lines


@pytest.mark.parametrize(
    "payload",
    [b"[" * 65000, b'{"v":' * 10000, b'{"v": 1, "lines": [' + b"[" * 40000, b"1" * 65000, bytes(65537), b'"' + b"\\u0000" * 10000],
    ids=["lists", "objects", "lists in lines", "a number of 65,000 digits", "too large", "escapes"],
)  # fmt: skip
def test_bytes_made_to_hurt_are_a_contract_error(payload):
    with pytest.raises(Malformed):
        envelope.unwrap(payload)


def test_a_message_that_nobody_would_read_is_not_made():
    with pytest.raises(Misuse) as caught:
        envelope.wrap(["x" * 4096] * 16)
    assert caught.value.code == "envelope-size"
    for lines in ([], ["x"] * 257):
        with pytest.raises(Misuse):
            envelope.wrap(lines)


@given(
    st.text() | st.lists(st.sampled_from(["muster", "v1", "main", "a-101", "swipes", "", "+", "#", "ü"])).map("/".join)
)
def test_any_text_is_a_topic_or_a_contract_error(text):
    try:
        found = topics.parse(text)
    except ContractError as error:
        assert error.code == "topic"
        return
    assert topics.topic(*found) == text


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_a_roster_or_a_contract_error(blob, like_one):
    blob = make_vectors.signed(b"MRO1" + blob) if like_one else blob
    for key in (KEY, None):
        try:
            found = roster.decode(blob, key, "a-101")
        except ContractError as error:
            assert error.code.startswith("roster-")
            continue
        assert found.reader == "a-101"


def test_a_flipped_bit_anywhere_in_a_roster_is_refused():
    roster.decode(ROSTER, KEY, "a-101")
    for bit in range(8 * len(ROSTER)):
        flipped = bytearray(ROSTER)
        flipped[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(Malformed):
            roster.decode(bytes(flipped), KEY, "a-101")


def test_a_half_written_roster_is_refused_by_its_checksum_alone():
    """A shelf looks at what it kept without the reader's key, and the gateway has none."""
    for at in range(len(ROSTER) - 21):
        for rest in (bytes(len(ROSTER) - at), b"\xff" * (len(ROSTER) - at)):
            half = ROSTER[:at] + rest
            if half[:-20] != ROSTER[:-20]:
                with pytest.raises(Malformed):
                    roster.decode(half)
    for byte in range(len(ROSTER) - 16):
        rotten = bytearray(ROSTER)
        rotten[byte] ^= 0x10
        with pytest.raises(Malformed):
            roster.decode(bytes(rotten))


def test_a_roster_cut_or_lengthened_anywhere_is_refused():
    for blob in [ROSTER[:length] for length in range(len(ROSTER))] + [ROSTER + b"\0", b"\0" + ROSTER]:
        with pytest.raises(Malformed):
            roster.decode(blob, KEY, "a-101")


@st.composite
def sessions(draw):
    ids = draw(st.lists(st.integers(0, 2**32 - 1), max_size=6, unique=True))
    found = []
    for id in ids:
        times = sorted(draw(st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=4)))
        members = draw(st.sets(st.binary(min_size=8, max_size=8), max_size=20))
        found.append((decide.Window(id, *[s * 1000 for s in times]), members))
    return found


@given(name, number, sessions(), st.randoms(use_true_random=False), st.binary(min_size=8, max_size=8))
def test_a_roster_is_read_as_it_was_written_and_finds_exactly_its_own(reader, version_ms, listed, random, stranger):
    blob = roster.encode(reader, KEY, version_ms, 0, 1000, listed)
    random.shuffle(listed)
    assert roster.encode(reader, KEY, version_ms, 0, 1000, listed) == blob  # the order handed in does not matter
    found = roster.decode(blob, KEY, reader)
    assert (found.version_ms, found.valid_until_ms) == (version_ms, 1000)
    members = {window.id: tokens for window, tokens in listed}
    assert {s.window.id for s in found.sessions} == set(members)
    assert [s.window.starts_ms for s in found.sessions] == sorted(s.window.starts_ms for s in found.sessions)
    for one in found.sessions:
        assert {found.token(one, i) for i in range(one.count)} == members[one.window.id]
        assert all(found.find(one, token) >= 0 for token in members[one.window.id])
        assert (found.find(one, stranger) >= 0) == (stranger in members[one.window.id])


def test_a_roster_too_large_for_a_reader_is_not_made():
    window = decide.Window(1, 0, 0, 1000, 1000)
    with pytest.raises(Misuse) as caught:
        roster.encode("a-101", KEY, 1, 0, 1, [(window, [n.to_bytes(8, "big") for n in range(8000)])])
    assert caught.value.code == "roster-size"
    with pytest.raises(Malformed):
        roster.decode(bytes(roster.ROSTER_MAX + 1), KEY, "a-101")


def test_a_roster_never_lists_a_session_twice():
    window = decide.Window(1, 0, 0, 1000, 1000)
    with pytest.raises(Misuse):
        roster.encode("a-101", KEY, 1, 0, 1, [(window, []), (window, [])])


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_two_byte_strings_are_the_same_exactly_if_they_are_equal(a, b):
    assert same(a, b) == (a == b)
    assert same(a, a)


# What a swipe is worth. Times are small, so that edges meet.
minute = st.integers(0, 60)


@st.composite
def windows(draw):
    found = []
    for id in range(draw(st.integers(0, 4))):
        opens, starts, ends, closes = sorted(draw(st.lists(minute, min_size=4, max_size=4)))
        found.append(decide.Window(id, opens * 10_000, starts * 10_000, ends * 10_000, closes * 10_000))
    return found


ids = st.frozensets(st.integers(0, 3))
answers = st.none() | st.builds(
    decide.Answer, st.integers(0, 3), st.integers(0, 200_000), st.sampled_from([0, 5_000, 90_000])
)
moment = st.integers(-1000, 601_000) | minute.map(lambda m: m * 10_000)


@given(windows(), ids, answers, moment, st.sampled_from([0, 1, 20_000]))
def test_nothing_is_credited_outside_its_window_or_twice(listed, recorded, answer, at_ms, unsure_ms):
    got = decide.worth(listed, recorded, answer, at_ms, unsure_ms)
    if got.credits:
        assert got.sure
        assert got.session not in recorded
        [window] = [w for w in listed if w.id == got.session]
        assert window.opens_ms <= at_ms - unsure_ms
        assert at_ms + unsure_ms <= window.closes_ms
        assert answer is None or answer.apart_ms - answer.unsure_ms >= decide.REPEAT_MS
    if not got.sure:
        assert got == decide.UNSURE


@given(windows(), ids, answers, moment, st.integers(0, 100_000), st.integers(0, 100_000))
def test_uncertainty_only_ever_removes_certainty(listed, recorded, answer, at_ms, less_ms, more_ms):
    answer = answer._replace(unsure_ms=0) if answer else None
    exact = decide.worth(listed, recorded, answer, at_ms)
    first = decide.worth(listed, recorded, answer, at_ms, less_ms)
    second = decide.worth(listed, recorded, answer, at_ms, less_ms + more_ms)
    assert exact.sure
    assert first in (exact, decide.UNSURE)
    assert second in (first, decide.UNSURE)


@given(windows(), ids, moment, st.integers(0, 30_000), st.data())
def test_a_sure_worth_is_the_worth_at_every_moment_that_it_may_have_been(listed, recorded, at_ms, unsure_ms, data):
    got = decide.worth(listed, recorded, None, at_ms, unsure_ms)
    edges = [edge + d for w in listed for edge in w[1:] for d in (-1, 0, 1)]
    inside = [edge for edge in edges if abs(edge - at_ms) <= unsure_ms]
    inside += [data.draw(st.integers(at_ms - unsure_ms, at_ms + unsure_ms)), at_ms]
    every = {decide.worth(listed, recorded, None, other_ms) for other_ms in inside}
    if got.sure:
        assert every == {got}


@given(windows(), ids, answers, moment, st.sampled_from([0, 15_000]), st.randoms(use_true_random=False))
def test_the_order_of_windows_does_not_matter(listed, recorded, answer, at_ms, unsure_ms, random):
    got = decide.worth(listed, recorded, answer, at_ms, unsure_ms)
    random.shuffle(listed)
    assert decide.worth(listed, list(recorded), answer, at_ms, unsure_ms) == got


@given(windows(), ids, moment)
def test_a_swipe_inside_a_window_is_worth_something_and_outside_of_all_nothing(listed, recorded, at_ms):
    got = decide.worth(listed, recorded, None, at_ms)
    open_ids = {w.id for w in listed if decide.is_open(w, at_ms)}
    assert (got.session is not None) == bool(open_ids)
    assert got.credits == bool(open_ids - recorded)


@given(windows(), ids, moment, st.lists(st.integers(0, 119_999), max_size=5))
def test_taps_within_two_minutes_repeat_one_answer(listed, recorded, at_ms, later):
    first = decide.worth(listed, recorded, None, at_ms)
    if first.session is None:
        return
    for delay_ms in later:
        answer = decide.Answer(first.session, delay_ms, 0)
        got = decide.worth(listed, recorded | {first.session}, answer, at_ms + delay_ms, 5_000)
        assert got == decide.Worth(first.session, False, True)


@given(windows(), ids, answers.filter(bool), moment, st.integers(0, 20_000), st.integers(-90_000, 90_000))
def test_what_is_sure_holds_however_far_apart_the_two_taps_truly_were(
    listed, recorded, answer, at_ms, unsure_ms, wrong_ms
):
    got = decide.worth(listed, recorded, answer, at_ms, unsure_ms)
    true_ms = answer.apart_ms + max(-answer.unsure_ms, min(answer.unsure_ms, wrong_ms))
    truly = decide.worth(listed, recorded, decide.Answer(answer.session, max(0, true_ms), 0), at_ms, unsure_ms)
    assert got in (truly, decide.UNSURE)


moments = st.builds(
    decide.Moment, st.sampled_from("ab"), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**5)
)


@given(moments, moments)
def test_one_boots_clock_tells_how_far_its_taps_are_apart_and_nothing_else_does(first, now):
    got = decide.answered(5, first, now)
    assert got == decide.answered(5, now, first)
    if first.journal == now.journal:
        assert got == decide.Answer(5, abs(first.boot_ms - now.boot_ms), 0)
    else:
        assert got == decide.Answer(5, abs(first.at_ms - now.at_ms), first.uncertainty_ms + now.uncertainty_ms)
