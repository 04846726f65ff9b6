"""A reader's settings: one JSON file, made by `muster reader add`, put on the board by a technician."""

import json
from collections import namedtuple

from firmware.contract.errors import ContractError
from firmware.contract.mac import Key
from firmware.contract.topics import is_name
from firmware.reader.errors import SettingsError

#: broker and wifi are dicts as in docs/wire.md; card_keys has one `Key`, or two during a rotation, the newer first
Settings = namedtuple("Settings", ("site", "reader", "key", "card_keys", "broker", "wifi"))


def parse(text: str) -> "Settings":
    """The settings in a file's text. Raises SettingsError, which says what to put right; never repeats a secret."""
    try:
        data = json.loads(text)
    except ValueError:
        raise SettingsError("the settings are not JSON: make them anew with `muster reader add`")
    if not isinstance(data, dict) or data.get("v") != 1:
        raise SettingsError("the settings have a version that this firmware does not know: update the firmware")
    try:
        site, reader = data["site"], data["reader"]
        key = _key(data["key"])
        card_keys = [_key(k) for k in data["card_keys"]]
        broker = data["broker"]
        host, port = broker["host"], broker["port"]
    except (KeyError, TypeError, ValueError, ContractError):
        raise SettingsError(
            "the settings lack site, reader, key, card_keys or broker, or one of them is not as it must be"
        )
    if not isinstance(site, str) or not isinstance(reader, str) or not is_name(site) or not is_name(reader):
        raise SettingsError("site and reader are named with 1 to 32 of a-z, 0-9 and hyphen")
    if not 1 <= len(card_keys) <= 2:
        raise SettingsError("a reader holds one card key, or two during a rotation")
    if not isinstance(host, str) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise SettingsError("the broker has a host and a port of 1 to 65535")
    return Settings(site, reader, key, card_keys, broker, data.get("wifi"))


def _key(data):
    return Key(data["id"], bytes.fromhex(data["secret"]))
