"""What a kiosk's settings say beyond a reader's: the PIN key, the place, the sensor and the language.

They stand in the same file, made by the store: `"pin_key": {"id", "secret"}`, `"sensor": {"password", "capacity"}`,
`"house": {"latitude", "longitude", "radius_m"}` (or none), `"language"` (`en` where none is given).
"""

import json
from collections import namedtuple

from firmware.contract.errors import ContractError
from firmware.contract.mac import Key
from firmware.reader.errors import SettingsError
from firmware.reader.fence import Site

PASSWORD_MAX = 0xFFFFFFFF
CAPACITY_MAX = 0xFFFF

#: pin_key: a `Key`. site: a `fence.Site`, or None: nobody registered a place. password: the sensor's. capacity: templates
#: that it must be able to hold, or None: any will do. language: which file of words.
KioskSettings = namedtuple("KioskSettings", ("pin_key", "site", "password", "capacity", "language"))


def parse(text: str) -> "KioskSettings":
    """The kiosk's part of a settings file. Raises SettingsError, which says what to put right; never repeats a secret."""
    try:
        data = json.loads(text)
        pin_key = Key(data["pin_key"]["id"], bytes.fromhex(data["pin_key"]["secret"]))
        sensor = data["sensor"]
        password, capacity = sensor["password"], sensor.get("capacity")
        language = data.get("language", "en")
        house = data.get("house")
        site = None if house is None else _site(house)
    except (KeyError, TypeError, ValueError, AttributeError, ContractError):
        raise SettingsError(
            "these are no kiosk's settings: pin_key, sensor or house is missing, or not as it must be; "
            "make them anew with `muster reader add --kiosk`"
        )
    if not _whole(password, 0, PASSWORD_MAX) or not (capacity is None or _whole(capacity, 1, CAPACITY_MAX)):
        raise SettingsError("a sensor's password is 0 to 4294967295, and its capacity 1 to 65535")
    if not isinstance(language, str) or not 2 <= len(language) <= 8 or language.strip("abcdefghijklmnopqrstuvwxyz-"):
        raise SettingsError("a language is named as its file of words is, such as en")
    return KioskSettings(pin_key, site, password, capacity, language)


def _site(house):
    latitude, longitude, radius_m = house["latitude"], house["longitude"], house["radius_m"]
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and 1 <= radius_m <= 100_000):
        raise ValueError
    return Site(float(latitude), float(longitude), float(radius_m))


def _whole(value, least, most):
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
