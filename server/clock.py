"""The store's clock, handed in wherever time is asked for. The simulator may run it displaced, or faster."""

from __future__ import annotations

import time
from collections.abc import Callable

from server.errors import BadSetting


class Clock:
    """now = origin + offset + scale * (real - origin), in UTC epoch seconds.

    With the defaults it is the real time. real: gives the real time in seconds.
    """

    def __init__(
        self,
        *,
        origin_s: float = 0.0,
        offset_s: float = 0.0,
        scale: float = 1.0,
        real: Callable[[], float] = time.time,
    ) -> None:
        self._origin_s, self._offset_s, self._scale, self._real = origin_s, offset_s, scale, real

    def now_ms(self) -> int:
        """UTC epoch milliseconds."""
        return int((self._origin_s + self._offset_s + self._scale * (self._real() - self._origin_s)) * 1000)


def from_setting(text: str) -> Clock:
    """The clock for the setting `clock`: `origin_s=…,offset_s=…,scale=…`, each optional; '' is the real time.

    Raises BadSetting(`setting-clock`).
    """
    values: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, number = part.partition("=")
        try:
            values[name.strip()] = float(number)
        except ValueError:
            raise BadSetting("setting-clock", f"clock: {part!r} is not name=number") from None
    if set(values) - {"origin_s", "offset_s", "scale"}:
        raise BadSetting("setting-clock", "clock takes origin_s, offset_s and scale")
    if values.get("scale", 1.0) <= 0 or (values.get("scale", 1.0) != 1.0 and "origin_s" not in values):
        raise BadSetting("setting-clock", "clock: scale is above 0, and needs origin_s so that all processes agree")
    return Clock(
        origin_s=values.get("origin_s", 0.0), offset_s=values.get("offset_s", 0.0), scale=values.get("scale", 1.0)
    )
