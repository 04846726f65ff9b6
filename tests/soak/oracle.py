"""The judge: what lamps showed and what the campus knows to be true, against the rows of the database.

It reads the store's tables by itself (SQL below), makes tokens from UIDs by itself, and asks nothing of the code that is
judged. Every swipe is paired with the hold of that card at that door in whose time it lies.
"""

import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa

from tests.soak.door import Hold
from tests.soak.plan import Visit

#: what stands on the lamp for each verdict that a record may carry
LIGHTS = {"green": "green", "red": "red", "shut": "red", "check": "blue"}
#: a swipe lies in its hold give or take this and its own uncertainty, ms: processes wait for each other on a full machine
SLACK_MS = 1000

_SWIPES = """
    SELECT r.name AS reader, j.journal, s.seq, s.token, s.verdict AS shown, g.at_ms, g.uncertainty_ms, g.verdict,
           g.credits, g.differs, e.uid AS session, x.external_id AS person, s.received_ms
      FROM swipe s
      JOIN reader r ON r.id = s.reader_id
      JOIN journal j ON j.id = s.journal_id
      LEFT JOIN reading g ON g.swipe_id = s.id
      LEFT JOIN session e ON e.id = g.session_id
      LEFT JOIN person_external_id x ON x.person_id = g.person_id AND x.source NOT IN ('identifier', 'username')
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One swipe in the store."""

    reader: str
    journal: str
    seq: int
    #: 16 hex digits
    token: str
    #: what the lamp must have shown
    light: str
    #: None: not placed in time
    at_ms: int | None
    uncertainty_ms: int
    #: the registry's id of whose it is, uid of the session it belongs to, each or empty; whether it is the one that credits
    person: str
    session: str
    credits: bool


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One hold: where, which card, what the person saw."""

    reader: str
    visit: Visit
    hold: Hold


@dataclass(kw_only=True)
class Verdict:
    """What was found. `ok` says which must be 0."""

    stored: int = 0
    greens: int = 0
    credited: int = 0
    #: swipes of a boot that never had a time; shown for review, never credited
    unplaced: int = 0
    #: greens without a swipe; blue double flashes (stored, will be checked) without one
    lost: int = 0
    lost_blue: int = 0
    #: reds without a swipe: the pulse of a reader that could take none then. No promise is broken
    refused: int = 0
    #: swipes for which nobody held a card, and identities that stand twice
    doubled: int = 0
    #: swipes whose person or session is not the true one; credits that should not be, or are not there, or are twice
    miscredited: int = 0
    #: swipes that are there, at a time when the card was not
    misplaced: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the promise was kept."""
        return not (self.lost or self.lost_blue or self.doubled or self.miscredited or self.misplaced)


def token(secret_hex: str, uid: bytes) -> str:
    """A card's token: the first 8 bytes of HMAC-SHA256(card key, UID), as 16 hex digits (the design's Cards)."""
    return hmac.new(bytes.fromhex(secret_hex), uid, hashlib.sha256).hexdigest()[:16]


def rows(engine: sa.Engine) -> list[Row]:
    """Every swipe in the store. Raises what the database raises where it is away."""
    with engine.connect() as connection:
        found = connection.execute(sa.text(_SWIPES)).all()
    return [
        Row(
            reader=f.reader,
            journal=f.journal,
            seq=f.seq,
            token=bytes(f.token or b"").hex(),
            light=LIGHTS.get(str(f.shown), str(f.shown)),
            at_ms=f.at_ms,
            uncertainty_ms=f.uncertainty_ms or 0,
            person=f.person or "",
            session=f.session or "",
            credits=bool(f.credits),
        )
        for f in found
    ]


def judge(seen: Iterable[Seen], stored: list[Row], card_key: str) -> Verdict:
    """Pair every hold with the swipes of its card at its door, and see what is left over."""
    verdict = Verdict(stored=len(stored), unplaced=sum(r.at_ms is None for r in stored))
    identities = Counter((r.reader, r.journal, r.seq) for r in stored)
    verdict.doubled += sum(n - 1 for n in identities.values())
    tokens: dict[bytes, str] = {}
    holds: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for s in seen:
        uid = s.visit.uid
        holds[s.reader, tokens.setdefault(uid, token(card_key, uid))].append(s)
        verdict.greens += s.hold.light == "green"
    swipes: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for r in stored:
        swipes[r.reader, r.token].append(r)
    paired: list[tuple[Seen, Row]] = []
    for key in holds.keys() | swipes.keys():
        paired += _pair(holds.get(key, []), swipes.get(key, []), verdict)
    _credits(paired, verdict)
    return verdict


def _pair(holds: list[Seen], swipes: list[Row], verdict: Verdict) -> list[tuple[Seen, Row]]:
    """Holds and swipes of one card at one door: first those whose light was seen, then the others."""
    left = sorted(swipes, key=lambda r: (r.at_ms is None, r.at_ms or 0, r.seq))
    paired: list[tuple[Seen, Row]] = []
    lit = sorted((h for h in holds if h.hold.light), key=lambda h: h.hold.in_ms)
    unlit = sorted((h for h in holds if not h.hold.light), key=lambda h: h.hold.in_ms)

    def take(waiting: list[Seen], fits) -> list[Seen]:
        without = []
        for seen in waiting:
            row = next((r for r in left if fits(seen, r)), None)
            if row is None:
                without.append(seen)
            else:
                left.remove(row)
                paired.append((seen, row))
        return without

    lit = take(lit, lambda s, r: r.light == s.hold.light and _within(s.hold, r))
    unlit = take(unlit, lambda s, r: _within(s.hold, r))
    lit = take(lit, lambda s, r: r.at_ms is None and r.light == s.hold.light)
    unlit = take(unlit, lambda s, r: r.at_ms is None)
    before = len(paired)
    lit = take(lit, lambda s, r: r.light == s.hold.light)
    for seen, row in paired[before:]:
        verdict.misplaced += 1
        off_ms = (row.at_ms or 0) - seen.hold.in_ms
        verdict.wrong.append(f"misplaced: {seen.reader} {row.journal} {row.seq} by {off_ms:.0f} ms")
    for seen in lit:
        if seen.hold.light == "red":
            verdict.refused += 1
            continue
        if seen.hold.light == "green":
            verdict.lost += 1
        else:
            verdict.lost_blue += 1
        verdict.wrong.append(f"lost: a {seen.hold.light} at {seen.reader} at {seen.hold.in_ms:.0f}")
    for row in left:
        verdict.doubled += 1
        verdict.wrong.append(
            f"doubled: {row.reader} {row.journal} {row.seq} {row.light} at {row.at_ms}, nobody was there"
        )
    return paired


def _within(hold: Hold, row: Row) -> bool:
    if row.at_ms is None:
        return False
    slack = SLACK_MS + row.uncertainty_ms
    return hold.in_ms - slack <= row.at_ms <= hold.out_ms + slack


def _credits(paired: list[tuple[Seen, Row]], verdict: Verdict) -> None:
    truth: set[tuple[str, str]] = set()
    perhaps: set[tuple[str, str]] = set()
    credited: Counter[tuple[str, str]] = Counter()
    for seen, row in paired:
        visit = seen.visit
        pair = (visit.student, visit.session)
        if row.person != visit.student:
            verdict.miscredited += 1
            verdict.wrong.append(
                f"person: {row.reader} {row.journal} {row.seq} is {row.person or 'nobody'}'s, not {visit.student or 'nobody'}'s"
            )
        elif row.at_ms is not None and row.session != visit.session:
            verdict.miscredited += 1
            verdict.wrong.append(
                f"session: {row.reader} {row.journal} {row.seq} is {row.session or 'none'}, not {visit.session or 'none'}"
            )
        if row.credits:
            credited[row.person, row.session] += 1
        if visit.session:
            (truth if seen.hold.light == "green" else perhaps).add(pair)
    verdict.credited = len(credited)
    for pair in truth - credited.keys():
        verdict.miscredited += 1
        verdict.wrong.append(f"not credited: {pair}")
    for pair, n in credited.items():
        if pair not in truth | perhaps or n > 1:
            verdict.miscredited += 1
            verdict.wrong.append(f"credited {n} times: {pair}")
