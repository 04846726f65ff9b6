"""Which session a swipe belongs to: the one function that reader, gateway and store all use.

All times are UTC epoch milliseconds. A window is closed at both ends: a swipe at the very end still counts, a swipe
one second later does not (PORT-2). Nothing here tells late from on time (PORT-5, LOUGH-16).
"""

from collections import namedtuple

#: within this time at one door a tap repeats the answer and credits nothing new
REPEAT_MS = 120_000

#: A session as a window. id: the store's number. opens..closes: when the door takes swipes for it (PORT-2).
Window = namedtuple("Window", ("id", "opens_ms", "starts_ms", "ends_ms", "closes_ms"))
#: When a tap was. journal: of one boot of one reader, and boot_ms by the clock of that boot; at_ms: give or take
#: uncertainty_ms.
Moment = namedtuple("Moment", ("journal", "boot_ms", "at_ms", "uncertainty_ms"))
#: A green answer given before at this door to this person: the session it named, how far from this tap it was first
#: given, and how wrong that may be.
Answer = namedtuple("Answer", ("session", "apart_ms", "unsure_ms"))
#: What a swipe is worth. session: id or None. credits: whether it records something new. sure: False where the
#: uncertainty of its time would change the outcome, and then session is None and a person must look.
Worth = namedtuple("Worth", ("session", "credits", "sure"))

NOTHING = Worth(None, False, True)
UNSURE = Worth(None, False, False)


def is_open(window: "Window", at_ms: int) -> bool:
    """Whether marking is open for this session: the blue light (PORT-2)."""
    return window.opens_ms <= at_ms <= window.closes_ms


def answered(session: int, first: "Moment", now: "Moment") -> "Answer":
    """The `Answer` that a tap at `first` was given, as a tap at `now` meets it.

    One boot's clock measured the time between its taps, however wrong the times of day are that they were placed at,
    perhaps by two different answers of the store. Between two boots only those times tell, with both uncertainties.
    """
    if first.journal == now.journal:
        return Answer(session, abs(now.boot_ms - first.boot_ms), 0)
    return Answer(session, abs(now.at_ms - first.at_ms), first.uncertainty_ms + now.uncertainty_ms)


def worth(windows: list, recorded, answer, at_ms: int, uncertainty_ms: int = 0) -> "Worth":
    """What one swipe of one person at one door is worth.

    windows: those of the person's own sessions at this door (PORT-6), in any order. recorded: ids of the sessions the
    person is recorded for already, at any door. answer: the last green `Answer` to this person at this door, or None.
    at_ms: when, known to `uncertainty_ms` either way. The outcome must be the same at every millisecond of the
    interval, and whether it is a repeat or not where that is not known: otherwise a person must look.

    The running session that is not yet recorded, else the next, else one that has just ended and whose window is still
    open. If all are recorded, the same order among them: the answer is repeated and credits nothing.
    """
    if repeats(answer):
        return Worth(answer.session, False, True)
    found = _worth(windows, recorded, at_ms)
    if uncertainty_ms:
        for other_ms in _turns(windows, at_ms - uncertainty_ms, at_ms + uncertainty_ms):
            if _worth(windows, recorded, other_ms) != found:
                return UNSURE
    if may_repeat(answer):
        return found if found == Worth(answer.session, False, True) else UNSURE
    return found


def repeats(answer) -> bool:
    """Whether a tap that meets this answer surely repeats it."""
    return answer is not None and answer.apart_ms + answer.unsure_ms < REPEAT_MS


def may_repeat(answer) -> bool:
    """Whether a tap that meets this answer may repeat it."""
    return answer is not None and answer.apart_ms - answer.unsure_ms < REPEAT_MS


def _worth(windows, recorded, at_ms):
    best = again = None
    best_rank = again_rank = ()
    for window in windows:
        if not is_open(window, at_ms):
            continue
        rank = _rank(window, at_ms)
        if window.id in recorded:
            if again is None or rank < again_rank:
                again, again_rank = window, rank
        elif best is None or rank < best_rank:
            best, best_rank = window, rank
    if best is not None:
        return Worth(best.id, True, True)
    if again is not None:
        return Worth(again.id, False, True)
    return NOTHING


def _rank(window, at_ms):
    # Among running sessions the one that began last: at the minute where one ends and the next begins, it is the next.
    if window.starts_ms <= at_ms <= window.ends_ms:
        return (0, -window.starts_ms, window.id)
    if at_ms < window.starts_ms:
        return (1, window.starts_ms, window.id)
    return (2, -window.ends_ms, window.id)


def _turns(windows, first_ms, last_ms):
    # The outcome is constant between these moments: the first, and each one at which something begins or has ended.
    edges = [first_ms]
    for window in windows:
        edges += [window.opens_ms, window.starts_ms, window.ends_ms + 1, window.closes_ms + 1]
    return [edge for edge in edges if first_ms <= edge <= last_ms]
