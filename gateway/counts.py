"""What the gateway counts, and its text for Prometheus (exposition format 0.0.4).

`METRICS` is the only place where a metric's name stands with its meaning; docs/gateway.md lists the same.
"""

from collections import defaultdict

#: name without the prefix -> (type, help, label or "")
METRICS = {
    "received_total": ("counter", "What readers sent, by kind; raw: what could not be read", "kind"),
    "unreadable_total": ("counter", "Why something could not be read, by code", "code"),
    "cut_total": ("counter", "Unreadable messages of which only the first 64 KB were kept", ""),
    "spooled_total": ("counter", "Rows committed to the spool (the same again counts once)", ""),
    "spool_commits_total": ("counter", "Commits of received messages", ""),
    "acknowledged_total": ("counter", "Messages acknowledged to the broker, after their commit", ""),
    "judged_total": ("counter", "Swipes by outcome against the class lists held; unjudged: no list, or offered again", "outcome"),
    "forwarded_total": ("counter", "Items that the store answered it holds", ""),
    "requests_total": ("counter", "Deliveries by how they ended", "result"),
    "refused_total": ("counter", "Times an item was put into quarantine in the spool because the store refuses it", ""),
    "unnamed_total": ("counter", "Items that the store's answer did not name; they are sent again", ""),
    "replayed_total": ("counter", "Kept rows that the store asked for again", ""),
    "pruned_total": ("counter", "Forwarded rows forgotten after their time", ""),
    "down_total": ("counter", "Receipts and commands published to readers, by kind", "kind"),
    "down_dropped_total": ("counter", "Receipts and commands that could not be published, by why", "why"),
    "pieces_total": ("counter", "Pieces of releases published to readers", ""),
    "pieces_dropped_total": ("counter", "Times pieces of a release could not be sent, by why; the store names them again", "why"),
    "rosters_published_total": ("counter", "Rosters published to readers", ""),
    "rosters_refused_total": ("counter", "Rosters not published or not held, by code", "code"),
    "rosters_overwritten_total": ("counter", "Retained rosters that the store did not offer, published over", ""),
    "errors_total": ("counter", "Errors of the gateway's own, by task: each is in the log", "task"),
    "pending": ("gauge", "Rows in the spool that the store does not hold yet", ""),
    "refused": ("gauge", "Of the pending, those in quarantine because the store refuses them", ""),
    "kept": ("gauge", "Forwarded rows kept for replay", ""),
    "rosters_held": ("gauge", "Readers for which a roster is held", ""),
    "up": ("gauge", "1 while this part works: link, spool, store", "part"),
    "to_store_seconds": ("histogram", "From receipt at the gateway to the store's answer, journal records", ""),
}  # fmt: skip
PREFIX = "muster_gateway_"
BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 3600.0)


class Counts:
    """Counters and gauges of one gateway. Names are those of METRICS; another is a KeyError."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, float]] = {name: defaultdict(float) for name in METRICS}
        self._buckets = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add(self, name: str, by: float = 1, label: str = "") -> None:
        """Count something."""
        self._values[name][label] += by

    def set(self, name: str, value: float, label: str = "") -> None:
        """Set a gauge."""
        self._values[name][label] = value

    def get(self, name: str, label: str = "") -> float:
        """What a counter or gauge stands at."""
        return self._values[name].get(label, 0.0)

    def took(self, seconds: float) -> None:
        """One journal record's way from receipt to the store's answer."""
        place = next((i for i, bound in enumerate(BOUNDS_S) if seconds <= bound), len(BOUNDS_S))
        self._buckets[place] += 1
        self._sum_s += seconds

    def text(self) -> str:
        """All of them in Prometheus's text format."""
        lines = []
        for name, (sort, meaning, label) in METRICS.items():
            full = PREFIX + name
            lines += [f"# HELP {full} {meaning}", f"# TYPE {full} {sort}"]
            if sort == "histogram":
                total = 0
                for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self._buckets, strict=True):
                    total += count
                    lines.append(f'{full}_bucket{{le="{bound}"}} {total}')
                lines += [f"{full}_sum {self._sum_s:.6f}", f"{full}_count {total}"]
                continue
            values = self._values[name] if label else {"": self.get(name)}
            for value_label, value in sorted(values.items()):
                labels = f'{{{label}="{value_label}"}}' if label else ""
                lines.append(f"{full}{labels} {value:g}" if value < 1e6 else f"{full}{labels} {int(value)}")
        return "\n".join(lines) + "\n"
