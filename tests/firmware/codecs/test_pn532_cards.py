"""What the chip's answers say about cards: UIDs of 4, 7 and 10 bytes, none, nonsense, and who they identify."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.codecs import pn532
from firmware.codecs.pn532 import Answer, Firmware, Target, identifiable


def listed(text):
    """The answer to InListPassiveTarget with this data."""
    return Answer(0x4B, bytes.fromhex(text))


@pytest.mark.parametrize(
    ("text", "uids"),
    [
        ("00", []),
        ("01 01000408 04 b0864d25", ["b0864d25"]),
        ("01 01004400 07 047bcb51962280", ["047bcb51962280"]),
        ("01 01034420 0a 08112233445566778899", ["08112233445566778899"]),
        ("01 01000428 04 fde60899 10 78809002209000000000 00fde60899", ["fde60899"]),
        ("01 01000428 04 fde60899", ["fde60899"]),
        ("02 01000408 04 b0864d25 02004400 07 047bcb51962280", ["b0864d25", "047bcb51962280"]),
        ("02 01000428 04 b0864d25 02 78 02004400 07 047bcb51962280", ["b0864d25", "047bcb51962280"]),
    ],
)
def test_cards_are_read(text, uids):
    assert [target.uid.hex() for target in pn532.parse_targets(listed(text))] == uids


def test_a_card_carries_its_kind():
    assert pn532.parse_targets(listed("01 01034420 07 047bcb51962280")) == [
        Target(bytes.fromhex("047bcb51962280"), 0x0344, 0x20)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",  # no count
        "03 01000408 04 b0864d25",  # more cards than the chip can hold
        "01",  # one card, not described
        "01 02000408 04 b0864d25",  # card number 2 of 1
        "01 01000408 05 b0864d2501",  # no UID has 5 bytes
        "01 01000408 00",  # an empty UID
        "01 01000408 21 04",  # longer than the answer
        "01 01000408 07 b0864d25",  # ends half-way
        "01 01000408 04 b0864d25 00",  # something follows
        "01 01000428 04 b0864d25 05 78",  # ATS ends half-way
        "01 01000428 04 b0864d25 00",  # ATS of length 0
        "00 00",  # none, and something follows
        "02 01000408 04 b0864d25",  # the second card is missing
    ],
)
def test_nonsense_is_a_bad_target(text):
    with pytest.raises(pn532.BadTarget) as error:
        pn532.parse_targets(listed(text))
    assert error.value.code == "pn532.bad_target"
    assert "present the card again" in str(error.value)


def test_without_rats_an_ats_is_nonsense_too():
    with pytest.raises(pn532.BadTarget):
        pn532.parse_targets(listed("01 01000428 04 b0864d25 02 78"), ats=False)


def test_an_answer_to_another_command_is_unexpected():
    with pytest.raises(pn532.UnexpectedAnswer) as error:
        pn532.parse_targets(Answer(0x03, bytes.fromhex("32010607")))
    assert error.value.code == "pn532.unexpected_answer"
    with pytest.raises(pn532.UnexpectedAnswer):
        pn532.parse_firmware(listed("00"))


def test_the_make_of_the_chip_is_read_and_another_chip_is_refused():
    assert pn532.parse_firmware(Answer(3, bytes.fromhex("32010607"))) == Firmware(0x32, 1, 6, 7)
    for text in ("33010607", "320106", ""):
        with pytest.raises(pn532.AnswerError, match="not a PN532"):
            pn532.parse_firmware(Answer(3, bytes.fromhex(text)))


def test_every_error_has_its_own_code_and_one_root():
    errors = (pn532.CommandError, pn532.AnswerError, pn532.UnexpectedAnswer, pn532.BadTarget)
    assert all(issubclass(error, pn532.Pn532Error) for error in errors)
    assert len({error.code for error in errors}) == len(errors)


@given(st.integers(0, 255), st.binary(max_size=300), st.booleans())
def test_any_answer_gives_cards_or_the_codecs_error(code, data, ats):
    with suppress(pn532.AnswerError):
        targets = pn532.parse_targets(Answer(code, data), ats)
        assert all(len(target.uid) in (4, 7, 10) for target in targets)
    with suppress(pn532.AnswerError):
        assert pn532.parse_firmware(Answer(code, data)).ic == 0x32


@given(st.lists(st.sampled_from([4, 7, 10]).flatmap(lambda n: st.binary(min_size=n, max_size=n)), max_size=2))
def test_what_a_chip_describes_is_what_is_read(uids):
    data = bytes((len(uids),))
    for number, uid in enumerate(uids, 1):
        data += bytes((number, 0x00, 0x04, 0x08, len(uid))) + uid
    assert [target.uid for target in pn532.parse_targets(Answer(0x4B, data))] == uids


@pytest.mark.parametrize("text", ["b0864d25", "047bcb51962280", "08112233445566", "01020305", "08112233445566778899"])
def test_a_number_of_its_own_identifies(text):
    assert identifiable(bytes.fromhex(text))


@pytest.mark.parametrize(
    "text", ["08aabbcc", "08000000", "01020304", "00000000", "00" * 7, "00" * 10, "", "01", "0102030405"]
)
def test_random_phones_and_zero_numbers_identify_nobody(text):
    assert not identifiable(bytes.fromhex(text))
