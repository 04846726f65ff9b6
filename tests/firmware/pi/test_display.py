"""The display: every language has every message, each fits, and a console that is away is written to later."""

import os
import pty
import tty

import pytest

from firmware.pi.display import COLUMNS, REFRESH_MS, ROWS, Display, languages, rows, width, words
from firmware.reader.errors import SettingsError
from firmware.reader.screens import LONGEST, MESSAGES, Screen


@pytest.fixture
def console():
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_there_are_words_in_english_and_three_examples():
    assert {"en", "cy", "de", "hi"} <= set(languages())


@pytest.mark.parametrize("language", languages())
def test_every_language_has_every_message_and_each_fits_the_display(language):
    found = words(language)
    assert set(found) == set(MESSAGES)
    for message, lines in found.items():
        shown = rows(lines, LONGEST)
        assert 1 <= len(shown) <= ROWS, message
        assert all(len(line) <= COLUMNS for line in shown), (message, shown)
        assert shown[0], f"{message} says nothing on its first line"


@pytest.mark.parametrize("language", languages())
def test_every_language_names_the_parts_that_english_names(language):
    for message, lines in words("en").items():
        for part in LONGEST:
            assert (f"{{{part}}}" in "".join(words(language)[message])) == (f"{{{part}}}" in "".join(lines)), message


@pytest.mark.parametrize("language", ["xx", "../words/en", ""])
def test_a_language_without_words_is_refused(language):
    with pytest.raises(SettingsError):
        words(language)


def test_a_marks_width_is_none_and_a_wide_letters_is_two():
    assert (width("abc"), width("e\u0301"), width("\u4e2d")) == (3, 1, 2)


def test_a_screen_is_written_when_it_changes_and_now_and_then(console):
    ours, path = console
    display = Display(path, "en")
    assert display.show(Screen("open", {}), 0) == words("en")["open"]
    assert b"Hold your card" in os.read(ours, 999)
    assert display.show(Screen("open", {}), 100) is None
    with pytest.raises(BlockingIOError):
        os.read(ours, 999)
    display.show(Screen("open", {}), REFRESH_MS)
    assert b"Hold your card" in os.read(ours, 999)
    display.close()


def test_a_console_that_comes_later_shows_what_holds_then(console, tmp_path):
    ours, path = console
    display = Display(str(tmp_path / "console"), "en")
    display.show(Screen("closed", {}), 0)
    (tmp_path / "console").symlink_to(path)
    display.show(Screen("closed", {}), 500)
    display.show(Screen("closed", {}), 1500)
    assert b"closed" in os.read(ours, 999)
    display.close()


def test_a_console_that_nobody_reads_holds_nothing_up(console):
    _, path = console
    display = Display(path, "en")
    shown = [display.show(Screen(MESSAGES[n % 4], {}), n) for n in range(4000)]
    assert all(shown)
    display.close()
