"""What a kiosk's display says: the messages by their ids. The words stand in a file for each language, beside the board.

A message may carry parts: `stars` (digits given so far), `left` (tries), `again` (which picture).
"""

from collections import namedtuple

from firmware.contract import verdict

#: One screen. parts: a dict of what the words name in braces.
Screen = namedtuple("Screen", ("message", "parts"))

#: while nobody is there
IDLE = ("closed", "open", "waiting", "moved", "broken")
#: what is asked of a person
ASKED = (
    "finger",
    "finger-lift",
    "finger-again",
    "finger-poor",
    "pin",
    "pin-wrong",
    "witness",
    "witness-pin",
    "witness-locked",
    "witness-unknown",
    "staff",
    "enrol-wait",
    "enrol-place",
    "enrol-poor",
    "enrol-remove",
    "enrol-again",
)
#: what came of it
ENDS = (
    "recorded",
    "recorded-check",
    "recorded-closed",
    "not-recorded",
    "ended",
    "card-unreadable",
    "card-noted",
    "enrolled",
    "enrol-not-asked",
    "enrol-held",
    "enrol-away",
    "enrol-busy",
    "enrol-differ",
    "enrol-failed",
)
MESSAGES = IDLE + ASKED + ENDS
#: the longest that each part may be, to see that a message fits
LONGEST = {"stars": "********", "left": "4"}

#: What a check-in with this verdict is told.
RECORDED = {
    verdict.GREEN: "recorded",
    verdict.UNCHECKED: "recorded-check",
    verdict.NO_SESSION: "recorded-closed",
    verdict.NOT_LISTED: "recorded-check",
}
