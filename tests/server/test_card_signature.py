"""What a card signs: NXP's published examples, and the emulated card."""

import json

import pytest

from server import card_signature
from simulator.ntag424 import Ntag424, cmac

UID = bytes.fromhex("041e3c8a2d6b80")


def test_the_published_examples_of_keys_and_macs_come_out(shared_data):
    vectors = json.loads((shared_data / "ntag424" / "vectors.json").read_text())
    checked = 0
    for one in vectors:
        key, uid = bytes.fromhex(one["file"]), bytes.fromhex(one["uid"])
        if "ses_mac" in one:
            assert card_signature.session_key(key, uid, one["ctr"]).hex().upper() == one["ses_mac"]
            checked += 1
        if one.get("macin") == "":
            mac = bytes.fromhex(one["cmac"])
            assert card_signature.is_genuine(key, uid, one["ctr"], mac)
            assert not card_signature.is_genuine(key, uid, one["ctr"] + 1, mac)
            assert not card_signature.is_genuine(key, uid[::-1], one["ctr"], mac)
            assert not card_signature.is_genuine(b"\x01" + key[1:], uid, one["ctr"], mac)
            checked += 1
    assert checked == 3


def test_the_example_of_a_plain_mirror_needs_no_folder_of_ours():
    assert card_signature.message_mac(bytes(16), UID, 6).hex() == "4b00064004b0b3d3"


@pytest.mark.parametrize("counter", [1, 255, 256, 0xFFFFFF])
def test_what_an_emulated_card_writes_is_genuine(counter):
    card = Ntag424(uid=UID, key=card_signature.diversified(b"m" * 16, UID), counter=counter - 1)
    card.counter += 1
    mac = bytes.fromhex(card._written().split(b"m=")[1][:16].decode())
    assert card_signature.is_genuine(card.key, UID, counter, mac)


def test_each_card_has_a_key_of_its_own():
    made = {card_signature.diversified(b"m" * 16, bytes([4, n, 0, 0, 0, 0, 0])) for n in range(50)}
    assert len(made) == 50
    assert card_signature.diversified(b"m" * 16, UID) == cmac(b"m" * 16, b"\x01" + UID + b"muster")
