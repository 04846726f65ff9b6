"""A reader's settings: one JSON file, made by `muster reader add`, put on the board by a technician."""

import json
from binascii import a2b_base64
from collections import namedtuple

from firmware.contract.errors import ContractError
from firmware.contract.mac import Key
from firmware.contract.topics import is_name
from firmware.reader.errors import SettingsError

#: How the broker proves who it is. ca: certificates to trust, DER, at least one; name: what the broker's certificate must
#: name; floor_s: no clock may be earlier, epoch seconds; certificate, key: paths of the reader's own, or None (Pi only)
Tls = namedtuple("Tls", ("ca", "name", "floor_s", "certificate", "key"))
#: Who may sign releases. id: stands in the manifest; n: an RSA modulus of 3,072 bits (the exponent is 65537)
ReleaseKey = namedtuple("ReleaseKey", ("id", "n"))
RELEASE_KEY_BITS = 3072
TLS_CA_MAX = 2  #: two during a change of the authority; each costs a Pico 2 KB of heap


class Settings:
    """site, reader: names. key: the reader's own. card_keys: one `Key`, or two during a rotation, the newer first.

    broker and wifi: dicts as in docs/wire.md; wifi may be None. tls: a `Tls`, or None for a plain connection (loopback,
    tests, the demo). release: `ReleaseKey`s; without one no update is taken.
    """

    def __init__(self, site, reader, key, card_keys, broker, wifi, tls=None, release=()):
        self.site = site
        self.reader = reader
        self.key = key
        self.card_keys = card_keys
        self.broker = broker
        self.wifi = wifi
        self.tls = tls
        self.release = release


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
    tls = None if broker.get("tls") is None else _tls(broker["tls"])
    release = release_keys(data.get("release"))
    return Settings(site, reader, key, card_keys, broker, data.get("wifi"), tls, release)


def _key(data):
    return Key(data["id"], bytes.fromhex(data["secret"]))


def _tls(data):
    """Whatever is wrong here is refused: a reader that fell back to a plain connection would tell its password."""
    try:
        ca = [a2b_base64(one) for one in data["ca"]]
        name, floor_s = data["name"], data.get("floor", 0)
        certificate, key = data.get("certificate"), data.get("key")
    except (AttributeError, KeyError, TypeError, ValueError):
        raise SettingsError("the broker's tls lacks ca or name, or ca is not a list of certificates (DER in base64)")
    # 0x30: each certificate is a sequence in DER. A PEM file in base64 would begin with a hyphen.
    if not 1 <= len(ca) <= TLS_CA_MAX or [one for one in ca if one[:1] != b"\x30"]:
        raise SettingsError("the broker's tls has one or two ca, each a certificate in DER, in base64")
    if not isinstance(name, str) or not name:
        raise SettingsError("the broker's tls has the name that stands in the broker's certificate")
    if not isinstance(floor_s, int) or isinstance(floor_s, bool) or floor_s < 0:
        raise SettingsError("the broker's tls has a floor in seconds since 1970")
    if (
        (certificate is None) != (key is None)
        or not isinstance(certificate or "", str)
        or not isinstance(key or "", str)
    ):
        raise SettingsError("the broker's tls has the paths of both certificate and key, or of neither")
    return Tls(ca, name, floor_s, certificate, key)


def release_keys(data) -> tuple:
    """The `ReleaseKey`s of a settings file's `release`; none where it is None. Raises SettingsError."""
    if data is None:
        return ()
    keys = []
    try:
        for one in data["keys"]:
            number = one["id"]
            n = int(one["n"], 16)
            if not isinstance(number, int) or n >> (RELEASE_KEY_BITS - 1) != 1 or not n & 1:
                raise ValueError
            keys.append(ReleaseKey(number, n))
    except (KeyError, TypeError, ValueError):
        raise SettingsError("release has keys, each with an id and n, an RSA modulus of 3,072 bits in hex")
    return tuple(keys)
