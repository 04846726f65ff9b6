"""A board becomes a reader, whatever happens on the way: against the real MicroPython at the end of a cable."""

import json

import pytest

from firmware.provision import bundle
from firmware.provision.bundle import File
from firmware.provision.claim import fingerprint
from firmware.provision.errors import PortLost, ProvisionError
from firmware.provision.making import Making, Wanted
from firmware.provision.port import wait
from tests.firmware.provision.provision_world import SMALL, Quietly

pytestmark = pytest.mark.needs("micropython")


def _five(steps, claimed):
    """The first, the last, two spread between, and the one right after the claim."""
    return sorted({1, steps // 3, 2 * steps // 3, claimed + 1, steps})


def _every(steps, claimed):
    return range(1, steps + 1)


AT = pytest.mark.parametrize(
    "sampled",
    [
        pytest.param(_five, id="five steps", marks=pytest.mark.long(15)),
        pytest.param(
            _every, id="every step", marks=[pytest.mark.proof, pytest.mark.long(150), pytest.mark.timeout(300)]
        ),
    ],
)


def is_whole(look, cable, settings, token="T-1"):
    """The firmware is on it, nothing half is, and it is this reader."""
    files, told = look(cable)
    stays = {one.path: one.sha256 for one in SMALL if one.path != "selftest.mpy"}
    assert {path: files.get(path) for path in stays} == stays
    assert set(files) == {*stays, "settings.json"}, "no half file, no self-test, and it is not held still"
    assert told == settings | {"wifi": None, "slot": fingerprint(token), "room": "R0", "replaces": None}


def test_a_blank_board_becomes_the_slots_reader(cables, make, readers, look):
    cable = cables()
    made = make(cable)
    assert (made.reader, made.room, made.well) == ("a-7", "R0", True)
    assert [one.step for one in made.found] == [
        "red", "green", "blue", "ticks", "storage", "wifi", "broker", "clock", "roster",
    ]  # fmt: skip
    is_whole(look, cable, readers.made[0])


@AT
def test_a_board_that_is_unplugged_at_any_step_is_plugged_in_again_and_becomes_the_reader(
    cables, make, readers, look, sampled
):
    steps, claimed = _steps(cables, make, readers)
    for cut in sampled(steps, claimed):
        readers.tokens, readers.made[:] = {"T-1"}, []
        cable = cables(on_code=lambda number, cut=cut: number == cut)
        talk = Quietly()
        assert make(cable, talk=talk).well, cut
        assert len(readers.made) == 1, f"cut at {cut}: the token is used once"
        assert any("plug it in again" in line for line in talk.said) or cut == steps, cut
        is_whole(look, cable, readers.made[0])
        cable.unplug()


@AT
def test_the_same_words_again_make_it_a_reader_where_the_program_ended_too(cables, make, readers, look, sampled):
    steps, claimed = _steps(cables, make, readers)
    lost = []
    for cut in sampled(steps - 1, claimed):
        readers.tokens, readers.made[:] = {"T-1", "T-2"}, []
        cable = cables(on_code=lambda number, cut=cut: number == cut)
        with pytest.raises(KeyboardInterrupt):
            make(cable, again=False)
        token = "T-1"
        if readers.made and look(cable)[1] is None:
            # Between the claim and the settings: the key is nowhere, and the slot wants a new token.
            with pytest.raises(ProvisionError) as refused:
                make(cable)
            assert refused.value.code == "slot-claimed", cut
            lost.append(cut)
            token = "T-2"
        made = make(cable, token=token)
        assert made.well, cut
        is_whole(look, cable, readers.made[-1], token)
        cable.unplug()
    assert lost and lost[-1] - lost[0] < 5, "only while the settings are being written"
    if sampled is _every:
        assert lost == list(range(lost[0], lost[-1] + 1))


def _steps(cables, make, readers):
    """Of one that is not unplugged: how many pieces of code came over the cable, and how many before the claim."""
    cable, claim, claimed = cables(), readers.claim, []

    def noted(token, board):
        claimed.append(cable.codes)
        return claim(token, board)

    readers.claim = noted
    make(cable)
    cable.unplug()
    readers.claim, readers.tokens = claim, {"T-1"}
    return cable.codes, claimed[0]


def test_a_reader_is_tested_again_without_a_token_and_stays_who_it_is(cables, make, readers, look):
    cable = cables()
    make(cable)
    made = make(cable, token=None)
    assert (made.reader, made.room, made.well, len(readers.made)) == ("a-7", None, True, 1)
    is_whole(look, cable, readers.made[0])


def test_another_token_takes_no_readers_identity_away_unless_it_is_said(cables, make, readers, look):
    cable = cables()
    make(cable)
    readers.tokens = {"T-2"}
    with pytest.raises(ProvisionError) as refused:
        make(cable, token="T-2")
    assert (refused.value.code, readers.tokens) == ("board-taken", {"T-2"})
    make(cable, token="T-2", wipe=True)
    is_whole(look, cable, readers.made[1], "T-2")


def test_a_token_that_the_store_refuses_takes_no_reader_off_its_door_whatever_was_said(cables, make, readers, look):
    cable = cables()
    make(cable)
    make(cable, token=None, files=(*SMALL, File(path="journal", data=b"records")))
    before = look(cable)
    claim = readers.claim
    readers.claim = too_old
    with pytest.raises(ProvisionError, match="minutes"):
        make(cable, token="T-2", wipe=True)
    assert look(cable) == before, "who it is, what it recorded, and it is not held still"
    readers.claim = claim
    with pytest.raises(ProvisionError, match="used already"):
        make(cable, token="T-2", wipe=True)
    files, told = look(cable)
    assert told == before[1] and "journal" in files
    assert "hold" in files, "another may serve its door: green would be of a reader that counts nowhere"
    readers.tokens = {"T-3"}
    make(cable, token="T-3", wipe=True)
    assert "journal" not in look(cable)[0]
    is_whole(look, cable, readers.made[1], "T-3")


@pytest.mark.proof
@pytest.mark.long(60)
@pytest.mark.timeout(240)
def test_a_board_that_is_unplugged_while_it_is_wiped_becomes_the_new_reader_by_the_same_token(
    cables, make, readers, look
):
    claim = readers.claim

    def wiped(at):
        """Another slot's reader on a board with records; unplugged at this piece of code. How many came before the claim."""
        readers.claim, readers.tokens, readers.made[:] = claim, {"T-1"}, []
        begun, claimed = [], []
        cable = cables(on_code=lambda number: bool(begun) and number == begun[0] + at)
        make(cable, self_test=False)
        make(cable, token=None, files=(*SMALL, File(path="journal", data=b"records")), self_test=False)
        begun.append(cable.codes)

        def noted(token, board):
            claimed.append(cable.codes - begun[0])
            return claim(token, board)

        readers.tokens, readers.claim = {"T-2"}, noted
        assert make(cable, token="T-2", wipe=True, self_test=False).reader == "a-7"
        assert len(readers.made) == 2, f"cut at {at}: the token is used once"
        assert "journal" not in look(cable)[0]
        is_whole(look, cable, readers.made[1], "T-2")
        cable.unplug()
        return claimed[0]

    before = wiped(0)
    for at in range(before, before + 7):
        wiped(at)


def too_old(token, board):
    raise ProvisionError("slot-expired", "older than 15 minutes")


def test_the_same_words_again_say_for_the_label_what_the_slot_was_for(cables, make, readers):
    cable = cables()
    make(cable)
    again = make(cable)
    assert (again.reader, again.room, len(readers.made)) == ("a-7", "R0", 1), "no run but the first claimed"


def test_whose_releases_it_takes_is_said_at_the_claim_or_to_a_reader_that_is_there(cables, make, readers, look):
    cable = cables()
    first, second = ({"keys": [{"id": number, "n": f"{1 << 3071 | 1:x}"}]} for number in (1, 2))
    make(cable, release=first)
    before = look(cable)[1]
    assert before["release"] == first and before["key"] == readers.made[0]["key"]
    make(cable, token=None)
    assert look(cable)[1] == before, "nobody said another"
    make(cable, token=None, release=second)
    assert look(cable)[1] == before | {"release": second}, "it stays who it is"


def test_another_wifi_is_said_to_a_reader_that_is_there_and_it_stays_who_it_is(cables, make, readers, look):
    mistyped, right, later = ({"ssid": "campus", "password": one} for one in ("mistyped", "as it is", "as it is now"))
    cable = cables()
    make(cable, wifi=mistyped)
    before = look(cable)[1]
    assert before["wifi"] == mistyped
    make(cable, wifi=right)
    assert look(cable)[1] == before | {"wifi": right}, "the same words but for the password, and the token used up"
    make(cable, token=None)
    assert look(cable)[1] == before | {"wifi": right}, "nobody said another"
    make(cable, token=None, wifi=later)
    assert look(cable)[1] == before | {"wifi": later} and len(readers.made) == 1


@pytest.mark.long(15)
@pytest.mark.timeout(180)
def test_a_board_that_is_a_reader_with_the_whole_firmware_becomes_another_where_it_is_said(cables, make, readers, look):
    cable = cables()
    make(cable, files=bundle.layout(), self_test=False)
    readers.tokens = {"T-2"}
    refused = None
    try:
        make(cable, files=bundle.layout(), self_test=False, token="T-2", wipe=True)
    except ProvisionError as error:
        refused = error.code
    assert refused is None, "littlefs hangs where a file was taken away that was open"
    assert look(cable)[1]["key"] == readers.made[1]["key"]


def test_records_of_a_reader_before_are_not_lost_unless_it_is_said(cables, make, readers, look):
    cable = cables()
    with pytest.raises(ProvisionError) as refused:
        make(cable, files=(*SMALL, File(path="journal", data=b"records")))
    assert (refused.value.code, readers.tokens, look(cable)[1]) == ("board-journal", {"T-1"}, None)
    make(cable, wipe=True)
    assert "journal" not in look(cable)[0]


def test_a_blank_board_without_a_token_says_what_it_wants(cables, make):
    with pytest.raises(ProvisionError) as refused:
        make(cables(), token=None)
    assert refused.value.code == "token-needed"


def test_what_would_be_imported_in_place_of_the_firmware_is_taken_away(cables, make, readers, look):
    cable = cables()
    strange = (
        File(path="boot.py", data=b"print('first')\n"),
        File(path="firmware/pico/main.py", data=b"raise SystemExit\n"),
        File(path="firmware/old/x.mpy.new", data=b"half"),
        File(path="notes.txt", data=b"kept\n"),
    )
    make(cable, files=(*SMALL, *strange), token="T-1", self_test=False)
    make(cable, token=None)
    files, _ = look(cable)
    assert set(files) == {"firmware/one.py", "still.py", "main.py", "settings.json", "notes.txt"}


class Bent:
    """A cable that changes one letter of what is written, the given number of times."""

    def __init__(self, port, times):
        self._port, self.times = port, times

    def write(self, data):
        at = data.find(b"_put('")
        if at >= 0 and self.times:
            self.times -= 1
            data = data[: at + 7] + (b"B" if data[at + 7 : at + 8] != b"B" else b"C") + data[at + 8 :]
        self._port.write(data)

    def read(self):
        return self._port.read()

    def close(self):
        self._port.close()


def test_a_file_that_arrives_changed_never_gets_its_name(cables, readers, look):
    cable = cables()
    making = Making(
        Wanted(token="T-1", wifi=None, card=False), SMALL, claim=readers.claim, talk=Quietly(),
        opened=lambda: Bent(wait(str(cable.port), 10.0), times=1),
    )  # fmt: skip
    with pytest.raises(ProvisionError) as refused:
        making.run()
    assert (refused.value.code, readers.tokens) == ("board-hash", {"T-1"})
    files, told = look(cable)
    assert told is None
    assert all(files[one.path] == one.sha256 for one in SMALL if one.path in files)


def test_a_board_that_never_comes_back_ends_with_what_to_do(cables, readers):
    cable = cables(on_code=lambda number: number == 3)
    making = Making(
        Wanted(token="T-1", wifi=None), SMALL, claim=readers.claim, talk=Quietly(),
        opened=lambda: wait(str(cable.port), 0.2),
    )  # fmt: skip
    with pytest.raises(PortLost) as lost:
        making.run()
    assert "plug it in again" in str(lost.value) and readers.tokens == {"T-1"}


def test_settings_are_said_nowhere(cables, make, readers):
    cable, talk = cables(), Quietly()
    make(cable, talk=talk)
    told = json.dumps(talk.said)
    assert readers.made[0]["key"]["secret"] not in told and "cd" * 32 not in told and "T-1" not in told
