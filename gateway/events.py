"""Structured logs: one JSON object a line, an event with fields. No names, no tokens, no evidence, no payloads.

`Condition` says a thing once when it goes down and once when it comes back, with the seconds between.
"""

import json
import logging
from collections.abc import Callable
from typing import TextIO

LOGGER = "muster.gateway"


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


def start_logging(stream: TextIO, level: str) -> Events:
    """Send the gateway's events to `stream` as JSON lines. Called once, by main."""
    logger = logging.getLogger(LOGGER)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    return Events(logger)
