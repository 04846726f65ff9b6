"""A kiosk's settings file: what it has beyond a door reader's (firmware/reader/kiosk_settings.py reads it)."""

from __future__ import annotations

import argparse
from typing import Any

from server.errors import StoreError
from server.scope import Scope
from server.store import readers, residence_admin, residence_pins
from server.store.engine import Connection
from server.vault import Vault


def place_and_tell(
    connection: Connection,
    vault: Vault,
    scope: Scope,
    name: str,
    arguments: argparse.Namespace,
    place: tuple[float, float, int] | None,
    from_ms: int,
    now_ms: int,
) -> dict[str, Any]:
    """The reader serves a house of the residence; what its settings file has beyond a door reader's."""
    _serve(
        connection,
        scope,
        name,
        arguments.kiosk,
        arguments.new_house,
        place,
        arguments.capacity,
        from_ms,
        now_ms,
    )
    key_id, secret = residence_pins.secret_for_kiosks(connection, vault, scope.institution_id, now_ms)
    return settings(
        (key_id, secret), place, arguments.capacity, password=arguments.sensor_password, language=arguments.language
    )


def place_again(
    connection: Connection,
    vault: Vault,
    scope: Scope,
    told: dict[str, Any],
    house_code: str | None,
    new_house: str | None,
    from_ms: int,
    now_ms: int,
) -> dict[str, Any] | None:
    """A kiosk that is made known again (`muster reader adopt`) serves its house once more, at the place and with the
    sensor that its settings file `told` names. Returns the file anew where its PIN key is not the store's: with the old
    one no PIN would be right there. None: it is good as it is, or it is a door reader's.

    Raises StoreError(`kiosk-house`, `house`, `file`).
    """
    if "pin_key" not in told:
        if house_code is not None:
            raise StoreError("usage", "this is a door reader's settings file: leave out --kiosk, and say its --room")
        return None
    if house_code is None:
        raise StoreError("kiosk-house", "this is a kiosk's settings file: say with --kiosk which house it serves")
    try:
        held = int(told["pin_key"]["id"]), bytes.fromhex(told["pin_key"]["secret"])
        house = told.get("house")
        place = None if house is None else (house["latitude"], house["longitude"], int(house["radius_m"]))
        capacity = int(told["sensor"]["capacity"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(
            "file", "this is no kiosk's settings file that can be read: pin_key, sensor or house"
        ) from error
    _serve(connection, scope, str(told["reader"]), house_code, new_house, place, capacity, from_ms, now_ms)
    key_id, secret = residence_pins.secret_for_kiosks(connection, vault, scope.institution_id, now_ms)
    if held == (key_id, secret):
        return None
    return told | {"pin_key": {"id": key_id, "secret": secret.hex()}}


def _serve(
    connection: Connection,
    scope: Scope,
    name: str,
    house_code: str,
    new_house: str | None,
    place: tuple[float, float, int] | None,
    capacity: int,
    from_ms: int,
    now_ms: int,
) -> None:
    """The reader of this name serves the house of this code from then on."""
    house_id = residence_admin.house_by_code(connection, scope.institution_id, house_code)
    if house_id is None:
        if not new_house:
            raise StoreError("house", f"there is no house {house_code}: give --new-house NAME, or import it first")
        house_id = residence_admin.add_house(connection, scope, house_code, new_house, now_ms)
    residence_admin.place_kiosk(
        connection,
        scope,
        readers.by_name(connection, [name])[name].id,
        house_id,
        from_ms,
        now_ms,
        latitude=place[0] if place else None,
        longitude=place[1] if place else None,
        radius_m=place[2] if place else None,
        capacity=capacity,
    )


def settings(
    pin_key: tuple[int, bytes],
    place: tuple[float, float, int] | None,
    capacity: int,
    *,
    password: int = 0,
    language: str = "en",
) -> dict[str, Any]:
    """What a kiosk's settings file has beyond a door reader's. place: degrees north and east, metres; None: none."""
    told: dict[str, Any] = {
        "pin_key": {"id": pin_key[0], "secret": pin_key[1].hex()},
        "sensor": {"password": password, "capacity": capacity},
        "language": language,
    }
    if place is not None:
        told["house"] = {"latitude": place[0], "longitude": place[1], "radius_m": place[2]}
    return told


def place_in(text: str | None) -> tuple[float, float, int] | None:
    """The registered place in `51.5014,-0.1419,60`; None: none is given. Raises StoreError(`place`)."""
    if text is None:
        return None
    try:
        latitude, longitude, radius = text.split(",")
        return float(latitude), float(longitude), int(radius)
    except ValueError as error:
        raise StoreError("place", "--place is written 51.5014,-0.1419,60: degrees north, east, and metres") from error
