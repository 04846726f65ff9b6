"""An update: what is taken, what is refused, on trial, confirmed, given up. Its power cuts: test_slot_cuts.py."""

import json
from pathlib import Path

import pytest

from firmware.contract import release
from firmware.reader import releases
from firmware.reader.update import Updates
from firmware.release import pack as packs
from tests.firmware.pico import release_packs as made

MINUTE_MS = 60_000


@pytest.fixture
def board(tmp_path):
    """A board whose slot A holds release 1."""
    (tmp_path / "slot.a").write_bytes(made.signed(1))
    return Board(tmp_path)


class Board:
    """Boots, takes pieces, and says what runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.boot()

    def boot(self) -> tuple[str | None, bool]:
        """(version that runs, whether on trial)."""
        chosen, trial = releases.choose(f"{self.folder}/")
        self.updates = Updates(f"{self.folder}/", (made.key(),))
        return chosen.version if chosen else None, trial

    def send(self, pieces: list[bytes], now_ms: int = 0) -> str | None:
        """Each piece taken and worked off. Returns why it was refused."""
        for piece in pieces:
            self.updates.take(piece)
            while self.updates.step(now_ms):
                pass
        return self.updates.refused

    def has(self) -> list[str]:
        """Which packs stand there."""
        return sorted(path.name for path in self.folder.iterdir() if path.name.startswith("slot."))


def test_a_signed_release_arrives_is_tried_confirmed_and_nothing_goes_back_below_it(board):
    first = (board.folder / "slot.a").read_bytes()
    assert board.send(made.pieces(made.signed(2), 512)) is None
    assert board.updates.restart
    assert (board.folder / "slot.a").read_bytes() == first, "the slot that runs was written"
    assert board.boot() == ("0.2", True)
    assert board.updates.judge(True, MINUTE_MS - 1) is None
    assert board.updates.judge(False, MINUTE_MS) is None
    assert board.updates.judge(True, MINUTE_MS) == "confirmed"
    assert board.boot() == ("0.2", False)
    assert board.updates.figures()["counter"] == 2
    for older in (1, 2):
        assert board.send(made.pieces(made.signed(older), 512)) == "update-older"
    # The next one goes into the slot that was left.
    assert board.send(made.pieces(made.signed(3), 512)) is None
    assert board.boot() == ("0.3", True)


def test_where_no_memory_is_free_for_a_manifest_the_reader_goes_on_and_takes_it_when_it_is_offered_again(board):
    class Full(tuple):
        """Keys that find no memory the first time that they are looked through."""

        tries = 0

        def __iter__(self):
            Full.tries += 1
            if Full.tries == 1:
                raise MemoryError
            return super().__iter__()

    board.updates = Updates(f"{board.folder}/", Full((made.key(),)))
    try:
        said = board.send(made.pieces(made.signed(2), 512))
    except MemoryError:
        said = "ended"
    assert (said, board.updates.restart, board.has()) == (None, False, ["slot.a"])
    assert board.send(made.pieces(made.signed(2), 512)) is None and board.updates.restart


def test_a_release_that_never_confirms_itself_gives_way_after_three_starts_and_does_not_come_again(board):
    board.send(made.pieces(made.signed(2), 512))
    assert [board.boot() for _ in range(3)] == [("0.2", True)] * 3
    assert board.boot() == ("0.1", False)
    assert board.updates.figures()["failed"] == 2
    assert board.send(made.pieces(made.signed(2), 512)) == "update-failed-before"
    assert board.send(made.pieces(made.signed(3), 512)) is None
    assert board.boot() == ("0.3", True)


def test_a_release_that_is_not_well_in_ten_minutes_gives_up_by_itself(board):
    board.send(made.pieces(made.signed(2), 512))
    board.boot()
    assert board.updates.judge(False, 10 * MINUTE_MS - 1) is None
    assert board.updates.judge(False, 10 * MINUTE_MS) == "given-up"
    assert board.updates.restart
    assert board.boot() == ("0.1", False)


def test_on_trial_no_other_release_is_taken(board):
    board.send(made.pieces(made.signed(2), 512))
    board.boot()
    assert board.send(made.pieces(made.signed(3), 512)) == "update-on-trial"


def wrong(which: str) -> list[bytes]:
    good = made.signed(2)
    body = len(good) - release.size(packs.take_apart(good).manifest)
    if which == "spoiled":
        return [*made.pieces(good, 512)[:-1], made.pieces(good, 512)[-1][:-1] + b"\xff"]
    if which == "spoiled manifest":
        spoiled = good.replace(b"minimum 0", b"minimum 1")
        return [packs.take_apart(good).tag + bytes(4) + spoiled[:body]]
    if which == "trailing":
        tag = packs.take_apart(good).tag
        return [*made.pieces(good, 512)[:-1], tag + (len(good) - 100).to_bytes(4, "big") + good[-100:] + b"more"]
    if which == "no pack":
        return [bytes(8) + bytes(4) + b"nonsense, and not a head"]
    if which == "half a head":
        return [made.pieces(good, 512)[0][:-1]]
    return made.pieces(
        {
            "unsigned": lambda: made.plain(2),
            "wrong key": lambda: made.signed(2, by=2),
            "other key id": lambda: made.signed(2, key=7),
            "older": lambda: made.signed(1, files=[("firmware/a.mpy", b"another")]),
            "other board": lambda: made.signed(2, board="pi"),
            "too far": lambda: made.signed(3, minimum=2),
        }[which](),
        512,
    )


@pytest.mark.parametrize(
    "which, code",
    [
        ("unsigned", "update-unsigned"),
        ("wrong key", "update-unsigned"),
        ("other key id", "update-unsigned"),
        ("older", "update-older"),
        ("other board", "update-board"),
        ("too far", "update-too-far"),
        ("spoiled", "update-hash"),
        ("spoiled manifest", "update-head"),
        ("half a head", "update-head"),
        ("no pack", "release"),
    ],
)
def test_what_is_not_a_good_release_is_refused_and_leaves_nothing(board, which, code):
    assert board.send(wrong(which)) == code
    assert not board.updates.restart
    assert "slot.part" not in board.has()
    assert "slot.b" not in board.has()
    assert board.boot() == ("0.1", False)


def test_a_signature_over_another_manifest_is_none(board):
    good, other = made.signed(2), made.signed(9)
    parts, foreign = packs.take_apart(good), packs.take_apart(other)
    mixed = release.head(parts.text, foreign.signature) + b"".join(parts.files.values())
    assert board.send(made.pieces(mixed, 512)) == "update-unsigned"


def test_a_truncated_release_never_runs_and_the_next_one_does(board):
    board.send(made.pieces(made.signed(2), 512)[:-1])
    assert not board.updates.restart
    assert board.boot() == ("0.1", False)
    assert "slot.part" not in board.has()
    assert board.send(made.pieces(made.signed(2), 512)) is None
    assert board.boot() == ("0.2", True)


def test_pieces_of_two_releases_do_not_mix_and_pieces_out_of_order_wait_to_be_offered_again(board):
    one, two = made.pieces(made.signed(2), 512), made.pieces(made.signed(3), 512)
    for piece in (one[0], two[1], one[2], one[1], one[1], b"", b"short", one[0][:12]):
        board.send([piece])
    assert board.updates.have == len(one[0]) - 12 + 512
    assert board.send(one[2:]) is None
    assert board.boot() == ("0.2", True)


def test_more_than_was_signed_is_refused(board):
    assert board.send(wrong("trailing")) in (None, "update-size")
    assert board.boot()[0] == "0.1"


def test_a_release_larger_than_a_slot_is_refused_before_anybody_signs_it_and_by_the_board():
    big = [("firmware/a.mpy", bytes(release.PICO_BYTES + 1))]
    with pytest.raises(packs.ReleaseError) as caught:
        made.plain(2, files=big)
    assert caught.value.code == "release-size"
    text = release.write("pi", "0.2", 2, 0, made.BUILT_S, 1, big).replace(b"board pi", b"board pico")
    with pytest.raises(release.Malformed) as refused:
        release.read(text)
    assert refused.value.code == "release-size"


def test_a_bad_head_in_the_middle_does_not_stop_a_good_release(board):
    good = made.pieces(made.signed(2), 512)
    board.send(good[:3])
    assert board.send(made.pieces(made.plain(5), 512)[:1]) == "update-unsigned"
    board.send(good[3:])
    assert board.updates.restart
    assert board.boot() == ("0.2", True)


def test_a_replayed_release_may_not_begin_again_and_again_and_wear_the_flash_out(board):
    heads = [made.pieces(made.signed(n), 512)[0] for n in (2, 3)]
    codes = [board.send([heads[n % 2]]) for n in range(12)]
    assert codes[:10] == [None] * 10
    assert codes[10:] == ["update-too-often"] * 2
    assert board.send([heads[0]], now_ms=3_600_000) is None


def test_what_is_offered_again_is_answered_once_more(board):
    pieces = made.pieces(made.signed(2), 512)
    board.send(pieces[:2])
    for again in pieces[:2]:
        have = board.updates.have
        board.updates.take(again)
        assert board.updates.step(0), "a report was lost: who sends must hear where this is"
        assert not board.updates.step(0)
        assert board.updates.have == have


def test_pieces_in_memory_are_few(board):
    pieces = made.pieces(made.signed(2, files=[("firmware/a.mpy", bytes(9000))]), 512)
    board.send(pieces[:1])
    for piece in pieces[1:]:
        board.updates.take(piece)
    taken = 0
    while board.updates.step(0):
        taken += 1
    assert taken == 4


def test_a_slot_that_rotted_gives_way_to_the_other_and_the_next_update_goes_over_it(board):
    board.send(made.pieces(made.signed(2), 512))
    board.boot()
    board.updates.judge(True, MINUTE_MS)
    spoiled = bytearray((board.folder / "slot.b").read_bytes())
    spoiled[-5] ^= 1
    (board.folder / "slot.b").write_bytes(spoiled)
    assert board.boot() == ("0.1", False)
    assert board.updates.figures()["counter"] == 2, "what rotted was confirmed: nothing older is taken"
    assert board.send(made.pieces(made.signed(3), 512)) is None
    assert (board.folder / "slot.a").read_bytes() == made.signed(1)
    assert board.boot() == ("0.3", True)


@pytest.mark.parametrize("text", ["", "nonsense", "00000000 {}", "[]", '{"active": "a"}'])
def test_words_about_the_slots_that_are_none_mean_slot_a_and_its_counter_holds(board, text):
    (board.folder / "slots.json").write_text(text)
    assert board.boot() == ("0.1", False)
    assert board.send(made.pieces(made.signed(1), 512)) == "update-older"


def test_a_flipped_bit_in_the_words_about_the_slots_is_seen(board):
    board.send(made.pieces(made.signed(2), 512))
    text = (board.folder / "slots.json").read_text()
    assert json.loads(text.partition(" ")[2])["trial"] == "b"
    (board.folder / "slots.json").write_text(text.replace('"tries": 3', '"tries": 9'))
    assert board.boot() == ("0.1", False)


def test_a_release_that_failed_runs_again_only_before_nothing_would(board):
    (board.folder / "slot.a").unlink()
    board.send(made.pieces(made.signed(2), 512))
    for _ in range(3):
        assert board.boot() == ("0.2", True)
    assert board.boot() == (None, False), "what was installed runs"
    assert releases.choose(f"{board.folder}/", installed=False)[0].version == "0.2"


def test_a_board_without_any_slot_starts_from_plain_files(board):
    (board.folder / "slot.a").unlink()
    assert board.boot() == (None, False)


def test_a_flash_that_takes_nothing_refuses_the_update_and_the_reader_goes_on(board):
    board.send(made.pieces(made.signed(2), 512)[:1])
    board.updates._file.close()
    board.updates._file = (board.folder / "slot.a").open("rb")  # not writable: an OSError, as a full flash is
    assert board.send(made.pieces(made.signed(2), 512)[1:2]) == "update-flash"
    assert board.boot() == ("0.1", False)
