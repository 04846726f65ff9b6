"""What the store says to readers, published on their topics: receipts, offers asked for again, times, commands.

Nothing is kept for later. A receipt that is not heard comes again when the reader offers its records again, and a
time answer that is late is worth nothing.
"""

from collections.abc import Iterable

from firmware.contract import envelope, topics
from firmware.contract.errors import Misuse
from gateway.counts import Counts
from gateway.events import Seldom
from gateway.link import Link
from gateway.store import Down

KINDS = ("receipt", "command")


class Downlink:
    """Publishes the store's lines."""

    def __init__(self, link: Link, counts: Counts, seldom: Seldom) -> None:
        self._link = link
        self._counts = counts
        self._seldom = seldom

    def say(self, lines: Iterable[Down]) -> None:
        """Publish these, those of one topic in one message. What cannot be published is counted."""
        grouped: dict[str, tuple[str, list[str]]] = {}
        for down in lines:
            try:
                if down.kind not in KINDS:
                    raise Misuse("topic-kind", "the store speaks in receipts and commands")
                topic = topics.topic(down.site, down.reader, down.kind)
            except Misuse as error:
                self._counts.add("down_dropped_total", label=error.code)
                self._seldom.warning("down-dropped", down.reader[:64], code=error.code)
                continue
            grouped.setdefault(topic, (down.kind, []))[1].append(down.line)
        for topic, (kind, texts) in grouped.items():
            for at in range(0, len(texts), envelope.LINES_MAX):
                some = texts[at : at + envelope.LINES_MAX]
                if self._link.publish(topic, envelope.wrap(some)):
                    self._counts.add("down_total", len(some), kind)
                else:
                    self._counts.add("down_dropped_total", len(some), "link-down")
