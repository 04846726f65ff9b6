"""The rare things that a proof must have seen: a branch that no seed ever took is not proven by any number of seeds."""

from collections.abc import Mapping

FAULTS = (
    "gateway killed",
    "spool deleted",
    "spool disk fails",
    "gateway cut off",
    "gateway's way to the store cut",
    "gateway's clock jumps",
    "broker restarts",
    "broker loses its state",
    "reader loses power",
    "reader cut off",
    "reader's storage fails",
    "store killed",
    "store away for long",
    "store restored",
    "power cut everywhere",
    "record rots",
    "board cloned",
    "board destroyed",
    "class list changes",
)
ATTACKS = ("swipe", "altered", "receipt", "repeated", "roster", "nonsense", "again", "older")
BRANCHES = (
    "night: everything off",
    "message doubled",
    "message overtaken",
    "cut one way only",
    "unacknowledged messages come again",
    "broker lost what it had acknowledged",
    "broker drops past its queue limit",
    "spool cannot be written",
    "gateway killed before it began to write",
    "gateway killed before it committed",
    "gateway killed between commit and acknowledgement",
    "store killed in a delivery",
    "store killed in a job",
    "store killed between commit and reply",
    "store's answer lost on its way",
    "reader loses power between tap and light",
    "tap refused: full",
    "tap refused: storage",
    "reader makes room for new records",
    "offered again after minutes on one connection",
    "delivered again, and the same",
    "restored store asks a reader for a range",
    "restored store asks the gateways",
    "gateway had what the store lost",
    "hole noticed",
    "hole released by a technician",
    "record that nobody has any more",
    "clone noticed",
    "forgery in quarantine",
    "forged class list published over",
    "reader refused: nonce",
    "reader refused: mac",
    "reader refused: roster-mac",
    "reader refused: roster-older",
    "swipe placed by a clock record",
    "swipe for review: unsure",
    "swipe for review: unplaced",
    "class list changed in the middle",
    "absence derived",
)
REQUIRED = (*(f"fault: {name}" for name in FAULTS), *(f"attack: {name}" for name in ATTACKS), *BRANCHES)


def unseen(seen: Mapping[str, int]) -> list[str]:
    """What should have been seen and was not."""
    return [name for name in REQUIRED if not seen.get(name)]
