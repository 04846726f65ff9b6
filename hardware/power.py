"""The power budget: `power.csv` against what each rail may give (`supplies.csv`).

What hangs on 3V3 is fed from 5 V as well: the board's converter is counted with EFFICIENCY.
"""

from dataclasses import dataclass

from hardware.pins import rows

#: Of the board's converter from 5 V to 3.3 V; both boards' are better than this.
EFFICIENCY = 0.8
#: A rail is loaded to this share of its limit at most.
SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class Rail:
    """One rail of one variant. Currents in mA."""

    variant: str
    rail: str
    typical_ma: float
    peak_ma: float
    limit_ma: float
    source: str

    @property
    def holds(self) -> bool:
        """Whether all peaks at once leave a fifth of the limit."""
        return self.peak_ma <= SHARE * self.limit_ma


def rails(variant: str) -> list[Rail]:
    """3V3, then 5V with what 3V3 takes from it."""
    loads = [row for row in rows("power.csv") if row["variant"] == variant]
    found: list[Rail] = []
    for limit in (row for row in rows("supplies.csv") if row["variant"] == variant):
        of = [row for row in loads if row["rail"] == limit["rail"]]
        typical, peak = (sum(float(row[key]) for row in of) for key in ("typical_ma", "peak_ma"))
        for fed in found if limit["rail"] == "5V" else []:
            typical += fed.typical_ma * 3.3 / 5 / EFFICIENCY
            peak += fed.peak_ma * 3.3 / 5 / EFFICIENCY
        found.append(
            Rail(
                variant=variant,
                rail=limit["rail"],
                typical_ma=typical,
                peak_ma=peak,
                limit_ma=float(limit["limit_ma"]),
                source=limit["source"],
            )
        )
    return found
