"""The keypad: Linux input records in, keys out."""

import asyncio
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.pi.keypad import EV_KEY, KEYS, PRESSED, RECORD, Keys, keypad


def record(code, value=PRESSED, kind=EV_KEY):
    return RECORD.pack(1_700_000_000, 1, kind, code, value)


def test_a_key_counts_when_it_is_pressed_and_not_when_it_is_held_or_released():
    assert Keys().feed(record(2) + record(2, 2) + record(2, 0) + record(0, 0, 0) + record(11)) == ["1", "0"]


@pytest.mark.parametrize(
    "codes", [range(0x200, 0x20C), (82, 79, 80, 81, 75, 76, 77, 71, 72, 73, 55, 96), (11, *range(2, 11), 14, 28)]
)
def test_every_kind_of_keypad_has_all_twelve_keys(codes):
    assert Keys().feed(b"".join(record(code) for code in codes)) == list("0123456789*#")


@given(st.lists(st.sampled_from(sorted(KEYS))), st.integers(1, 50))
def test_records_that_come_in_pieces_are_the_same_keys(codes, size):
    data = b"".join(record(code) for code in codes)
    keys = Keys()
    found = [key for at in range(0, len(data), size) for key in keys.feed(data[at : at + size])]
    assert found == [KEYS[code] for code in codes]


@given(st.binary())
def test_any_bytes_are_keys_or_nothing(data):
    assert set(Keys().feed(data)) <= set("0123456789*#")


async def test_a_keypad_that_is_pulled_out_and_put_back_is_read_again(tmp_path):
    path = tmp_path / "keypad"
    pressed, said = [], []
    task = asyncio.create_task(keypad(str(path), pressed.append, lambda event, **fields: said.append(event)))

    async def until(what):
        deadline = time.monotonic() + 40
        while not what():
            assert time.monotonic() < deadline, (pressed, said)
            await asyncio.sleep(0.01)

    await until(lambda: said == ["keypad-lost"])
    os.mkfifo(path)
    for digit, code in (("1", 2), ("2", 3)):
        writer = None
        while writer is None:
            try:
                writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # it is not read yet
                await asyncio.sleep(0.01)
        os.write(writer, record(code))
        await until(lambda digit=digit: pressed[-1:] == [digit])
        os.close(writer)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (pressed, said) == (["1", "2"], ["keypad-lost", "keypad-found"])
