"""Why it is not known who came on an evening, in words that staff and residents understand (DDU-13)."""

from __future__ import annotations

from server.pages.local import Local
from server.policy import downtime
from server.store.residence_kiosks import Doubt

#: a time that is known so nearly is said
NEAR_MS = 10 * 60_000
_WORDS = {
    downtime.NO_KIOSK: "the house had no kiosk",
    downtime.UNPLACED: "it is not known when one of their check-ins was",
    downtime.ELSEWHEN: "one of their check-ins may have been on this evening or on another",
}


def said(one: Doubt, local: Local) -> str:
    """`the kiosks were down from 18:00 to 19:30`: it follows a colon, or a `because`."""
    kiosks = " and ".join(one.kiosks)
    if one.why == downtime.DOWN:
        spans = " and ".join(f"from {local.time(begins)} to {local.time(ends)}" for begins, ends in one.spans)
        return f"the kiosks were down {spans}"
    if one.why == downtime.LOST:
        return f"check-ins at {kiosks} may be lost for good"
    if one.why == downtime.TWICE:
        return f"there may be two of {kiosks}, so that a technician must look and close the alarm"
    if one.why == downtime.BEHIND:
        known = "nothing yet" if one.up_to_ms is None else f"everything only up to {local.moment(one.up_to_ms)}"
        return f"the kiosks have told of {known}"
    if one.why == downtime.NOTED:
        begins, ends = one.spans[0]
        at = f" at {local.time(ends)}" if ends - begins < NEAR_MS else ""
        which = f"{kiosks}, which serves no house and so" if kiosks else "a kiosk that"
        return f"their card was held{at} to {which} had no list of residents, and could check nobody in"
    if one.why == downtime.UNPLACED and one.spans:
        spans = " or ".join(f"between {local.moment(begins)} and {local.moment(ends)}" for begins, ends in one.spans)
        return f"one of their check-ins has no time: it was made {spans}"
    return _WORDS[one.why]
