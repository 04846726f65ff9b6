"""What the gateway makes of a swipe from the class lists it holds: for the live view and for operations only.

The store judges for itself, after the MAC. The gateway holds no reader's key: what is said here is said about a line
that nobody has authenticated yet. No I/O, no clock.
"""

from collections import OrderedDict
from dataclasses import dataclass

from firmware.contract import decide, statement
from firmware.contract.roster import Roster

MATCHED = "matched"  #: on the list of an open session, and new
NOT_LISTED = "not_listed"  #: a card known from some class list, but on none that is open at this door
UNKNOWN_CARD = "unknown_card"  #: on no class list the gateway has held
NO_SESSION = "no_session"  #: no session's window was open
REPEATED = "repeated"  #: nothing new: recorded already
CLOCK_UNSURE = "clock_unsure"  #: no time, or one so uncertain that the outcome depends on it

OUTCOMES = (MATCHED, NOT_LISTED, UNKNOWN_CARD, NO_SESSION, REPEATED, CLOCK_UNSURE)

#: swipes whose outcome is remembered, so that one offered again is not judged again
REMEMBERED_SWIPES = 20_000
#: cards whose recorded sessions are remembered
REMEMBERED_CARDS = 20_000
#: cards known; past this only class lists of the store's own add to them
KNOWN_MOST = 500_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """One swipe's outcome, the session it is for, and the token that was found (the first, if none was)."""

    outcome: str
    session: int | None
    token: bytes
    #: whether it records something new
    credits: bool


def judge(
    roster: Roster, swipe: statement.Statement, known: set[bytes], recorded: dict, answer: decide.Answer | None
) -> Judgement:
    """Judge one `swipe` statement against its door's roster.

    known: tokens on any class list held. recorded: token -> ids of sessions recorded at any door. answer: the last
    green answer to this card at this door.
    """
    values = swipe.values
    tokens = [t.token for t in statement.tokens(values["evidence"])]
    if not tokens:  # a card that identifies nobody is on no list
        return Judgement(outcome=UNKNOWN_CARD, session=None, token=b"", credits=False)
    first = tokens[0]
    at_ms = values["wall_ms"]
    if at_ms is None:
        return Judgement(outcome=CLOCK_UNSURE, session=None, token=first, credits=False)
    around_ms = values["uncertainty_ms"] or 0
    for token in tokens:
        own = [s.window for s in roster.sessions if _near(s.window, at_ms, around_ms) and roster.find(s, token) >= 0]
        if not own and not decide.repeats(answer):
            continue
        worth = decide.worth(own, recorded.get(token, ()), answer, at_ms, around_ms)
        if not worth.sure:
            return Judgement(outcome=CLOCK_UNSURE, session=None, token=token, credits=False)
        if worth.session is not None:
            outcome = MATCHED if worth.credits else REPEATED
            return Judgement(outcome=outcome, session=worth.session, token=token, credits=worth.credits)
    if not any(token in known for token in tokens):
        return Judgement(outcome=UNKNOWN_CARD, session=None, token=first, credits=False)
    windows = [s.window for s in roster.sessions]
    opened = [any(decide.is_open(w, at) for w in windows) for at in (at_ms - around_ms, at_ms, at_ms + around_ms)]
    if opened[0] != opened[1] or opened[1] != opened[2]:
        return Judgement(outcome=CLOCK_UNSURE, session=None, token=first, credits=False)
    outcome = NOT_LISTED if opened[1] else NO_SESSION
    return Judgement(outcome=outcome, session=None, token=first, credits=False)


def _near(window: decide.Window, at_ms: int, around_ms: int) -> bool:
    return window.opens_ms <= at_ms + around_ms and at_ms - around_ms <= window.closes_ms


class Judge:
    """The class lists held, and what has been recorded by them. Bounded; forgets when the process ends."""

    def __init__(self) -> None:
        self._rosters: dict[tuple[str, str], Roster] = {}
        # Only grows: a card once on a list stays a known one until the gateway starts again.
        self._known: set[bytes] = set()
        self._recorded: OrderedDict[bytes, set[int]] = OrderedDict()
        self._answers: OrderedDict[tuple[str, str, bytes], tuple[int, decide.Moment]] = OrderedDict()
        self._seen: OrderedDict[tuple[str, int], None] = OrderedDict()

    def hold(self, site: str, roster: Roster, *, offered: bool = True) -> None:
        """Judge this reader's swipes by this roster from now on. offered: by the store, not only found at the broker."""
        self._rosters[(site, roster.reader)] = roster
        for listed in roster.sessions:
            if not offered and len(self._known) + listed.count > KNOWN_MOST:
                continue
            for place in range(listed.count):
                self._known.add(bytes(roster.token(listed, place)))

    def judged(self, lane: str, swipe: statement.Statement) -> str | None:
        """The outcome of a swipe as it first comes in. None: no roster is held for its reader, or it came before.

        lane: `site/reader/journal`.
        """
        place = (lane, swipe.values["seq"])
        if place in self._seen:
            return None
        _remember(self._seen, place, None, REMEMBERED_SWIPES)
        site, reader, journal = lane.split("/")
        roster = self._rosters.get((site, reader))
        if roster is None:
            return None
        values = swipe.values
        now = decide.Moment(journal, values["boot_ms"], values["wall_ms"], values["uncertainty_ms"] or 0)
        answer = None
        for token in statement.tokens(values["evidence"]):
            given = self._answers.get((site, reader, token.token))
            if given is not None and now.at_ms is not None:
                answer = answer or decide.answered(*given, now)
        found = judge(roster, swipe, self._known, self._recorded, answer)
        if found.credits and found.session is not None:
            sessions = self._recorded.get(found.token, set()) | {found.session}
            _remember(self._recorded, found.token, sessions, REMEMBERED_CARDS)
            _remember(self._answers, (site, reader, found.token), (found.session, now), REMEMBERED_CARDS)
        return found.outcome


def _remember(memory: OrderedDict, key: object, value: object, most: int) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > most:
        memory.popitem(last=False)
