"""What the gateway has just seen of each reader, for people: served as /live.json. No evidence, no names of persons."""

from collections import Counter, OrderedDict
from typing import Any

from gateway.arrival import Arrival

READERS_MOST = 5000


class Live:
    """The last of each reader: when, how many by kind, and its swipes by outcome."""

    def __init__(self) -> None:
        self._readers: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def saw(self, arrival: Arrival, outcome: str | None, now_ms: int) -> None:
        """Something arrived. outcome: of a swipe that was judged."""
        site, reader, _ = arrival.lane.split("/")
        if not reader:
            return
        name = f"{site}/{reader}"
        seen = self._readers.get(name)
        if seen is None:
            seen = {
                "site": site,
                "reader": reader,
                "kinds": Counter(),
                "outcomes": Counter(),
                "state": None,
                "able": None,
            }
            self._readers[name] = seen
            if len(self._readers) > READERS_MOST:
                self._readers.popitem(last=False)
        self._readers.move_to_end(name)
        seen["last_seen_ms"] = now_ms
        seen["kinds"][arrival.kind] += 1
        if outcome:
            seen["outcomes"][outcome] += 1
        if arrival.kind == "status":
            seen["state"] = "online" if '"online"' in arrival.line else "offline"
        elif arrival.kind == "head" and arrival.statement is not None:
            seen["able"] = arrival.statement.values["able"]

    def shown(self) -> list[dict[str, Any]]:
        """Every reader seen, by name."""
        return [{**seen} for _, seen in sorted(self._readers.items())]
