"""Structured logs: one JSON object a line, an event with fields. No names, no tokens, no evidence, no payloads.

`Condition` says a thing once when it goes down and once when it comes back, with the seconds between. `Seldom` says
what others can bring about as often as they like once when it begins, and then how often it was.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

LOGGER = "muster.gateway"
AGAIN_S = 300.0  #: what goes on is said again after this
APART_MOST = 1000  #: what is told apart; anybody can make up names, so past this it is said as one


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: at_ms, level, event, and the fields it was given."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        said = {"at_ms": int(record.created * 1000), "level": record.levelname.lower(), "event": record.getMessage()}
        said.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            said["error"] = record.exc_info[0].__name__
            said["trace"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)


class Events:
    """What happened, said to a logger with fields."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def info(self, event: str, **fields: object) -> None:
        """Something that an operator may want to know."""
        self._logger.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: object) -> None:
        """Something that an operator should know."""
        self._logger.warning(event, extra={"fields": fields})

    def failure(self, event: str, **fields: object) -> None:
        """An error of ours, with its trace: called from an except block."""
        self._logger.error(event, extra={"fields": fields}, exc_info=True)


class Condition:
    """Something that is up or down, such as the store. Said at each change, not at each attempt.

    name: the events are `{name}-down` and `{name}-up`. It begins neither up nor down.
    """

    def __init__(self, name: str, events: Events, monotonic_s: Callable[[], float]) -> None:
        self.name = name
        #: None until it is known
        self.is_up: bool | None = None
        #: the code of what keeps it down, or None
        self.code: str | None = None
        self._events = events
        self._now_s = monotonic_s
        self._down_at_s = 0.0

    def up(self, **fields: object) -> None:
        """It works. Said only where it did not before."""
        if self.is_up:
            return
        if self.is_up is False:
            fields["down_s"] = round(self._now_s() - self._down_at_s, 3)
        self.is_up, self.code = True, None
        self._events.info(f"{self.name}-up", **fields)

    def down(self, code: str, text: str) -> None:
        """It does not work, for this reason. Said where it did before, and where the reason is another."""
        if self.is_up is False and self.code == code:
            return
        if self.is_up is not False:
            self._down_at_s = self._now_s()
        self.is_up, self.code = False, code
        self._events.warning(f"{self.name}-down", code=code, text=text)


@dataclass(slots=True)
class _Said:
    event: str
    fields: dict[str, object]
    at_s: float
    unsaid: int = 0


class Seldom:
    """Warnings that may come in floods: each (event, reader, code) is said when it begins; the rest is counted.

    `due`, called now and then, says again what went on, at most every AGAIN_S, with how often (`times`), and forgets
    what did not.
    """

    def __init__(self, events: Events, monotonic_s: Callable[[], float]) -> None:
        self._events = events
        self._now_s = monotonic_s
        self._known: dict[tuple[str, str, str], _Said] = {}

    def info(self, event: str, **fields: object) -> None:
        """Something that does not come in floods: said at once."""
        self._events.info(event, **fields)

    def warning(self, event: str, reader: str, *, code: str = "", **fields: object) -> None:
        """Something that an operator should know. reader: whom it is about, or empty. fields: of the first one only."""
        key = (event, reader, code)
        if key not in self._known and len(self._known) >= APART_MOST:
            key = (event, reader, code) = (event, "(more)", "(more)")
        said = self._known.get(key)
        if said is not None:
            said.unsaid += 1
            return
        named: dict[str, object] = {name: value for name, value in (("code", code), ("reader", reader)) if value}
        self._known[key] = _Said(event, named, self._now_s())
        self._events.warning(event, **named, **fields)

    def due(self) -> None:
        """Say what went on since it was said last."""
        now_s = self._now_s()
        for key, said in list(self._known.items()):
            if now_s - said.at_s < AGAIN_S:
                continue
            if not said.unsaid:
                del self._known[key]
                continue
            self._events.warning(said.event, **said.fields, times=said.unsaid)
            said.at_s, said.unsaid = now_s, 0


def start_logging(stream: TextIO, level: str) -> Events:
    """Send the gateway's events to `stream` as JSON lines. Called once, by main."""
    logger = logging.getLogger(LOGGER)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    return Events(logger)
