"""Why it is not known who came on an evening, and when a house's kiosks were all down (DDU-13). Pure.

An outage is a fact, and never held against a person: where nobody could check in for longer than the profile's
`outage_min`, or a check-in may have been lost, nobody is called missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

# why an evening of a house is not known
NO_KIOSK, TWICE, BEHIND, DOWN, LOST = "no-kiosk", "twice", "behind", "down", "lost"
# why one of somebody who has a check-in with no time yet, or one that may be this evening's or another's
UNPLACED, ELSEWHEN = "unplaced", "elsewhen"
# ... or whose card was held to a kiosk that had no list to find it on
NOTED = "noted"

Spans = Sequence[tuple[int, int]]


def together(kiosks: Iterable[Spans], opens_ms: int, closes_ms: int, least_ms: int) -> tuple[tuple[int, int], ...]:
    """(from, to) of each stretch of [opens, closes), least_ms long or longer, in which no kiosk was alive and able.

    kiosks: of each the spans in which it was not, in any order. Two kiosks of a house cover one another.
    """
    each = list(kiosks)
    cuts = {opens_ms, closes_ms, *(edge for spans in each for span in spans for edge in span)}
    found: list[tuple[int, int]] = []
    for begins, ends in pairwise(sorted(one for one in cuts if opens_ms <= one <= closes_ms)):
        if not all(any(one <= begins and ends <= other for one, other in spans) for spans in each):
            continue
        if found and found[-1][1] == begins:
            begins = found.pop()[0]
        found.append((begins, ends))
    return tuple((begins, ends) for begins, ends in found if ends - begins >= least_ms)
