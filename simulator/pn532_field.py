"""The chip's field: which cards are in it, in which state, and how a search finds them (ISO/IEC 14443-3, type A)."""

from dataclasses import dataclass

from simulator.pn532_card import AnyCard, Presentation

#: One attempt to find a card, from request to time-out.
TRY_S = 0.005
#: How long the chip waits for a card's answer (RFConfiguration item 2, fRetryTimeout, as it is after power-up).
SILENT_S = 0.0512


@dataclass(kw_only=True)
class Search:
    """An InListPassiveTarget that is running."""

    started_s: float
    next_try_s: float
    #: How many cards at most, 1 or 2.
    most: int
    #: Only the card with this UID; empty: any.
    wanted_uid: bytes
    #: None: for ever.
    tries_left: int | None


class Field:
    """Cards held to the antenna. It is told the time; *activation_s*: what a card needs from power to its answer."""

    def __init__(self, *, activation_s: float) -> None:
        self._activation_s = activation_s
        self._cards: list[Presentation] = []
        self._on = False
        #: Every presentation so far, oldest first.
        self.presentations: list[Presentation] = []
        # How long the cards took for their answers since somebody last asked, s.
        self._busy_s = 0.0
        #: Cards that the last search selected, by target number less one.
        self.selected: list[Presentation] = []

    @property
    def on(self) -> bool:
        """Whether the cards have power."""
        return self._on

    @property
    def empty(self) -> bool:
        """Whether there is no card at all."""
        return not self._cards

    def put(self, card: AnyCard, now: float) -> Presentation:
        """A card comes in, beside those already there."""
        shown = Presentation(card=card, in_at_s=now, powered_at_s=now)
        self._cards.append(shown)
        self.presentations.append(shown)
        return shown

    def take(self, shown: Presentation | None, now: float) -> None:
        """One card goes, or all of them."""
        for each in list(self._cards):
            if shown is None or each is shown:
                each.out_at_s = now
                self._cards.remove(each)

    def switch(self, on: bool, now: float) -> None:
        """Power for the cards: coming back it finds them all idle, and they need their time again."""
        if on and not self._on:
            for shown in self._cards:
                shown.powered_at_s = now
                shown.state = "idle"
        self._on = on
        if not on:
            self.selected = []

    def halt(self) -> None:
        """The selected cards stay quiet until their power was off (HLTA, which one in its protocol does not hear)."""
        for shown in self.selected:
            if shown.state != "protocol":
                shown.state = "halt"

    def exchange(self, data: bytes) -> bytes | None:
        """What the selected card answers to *data*; None: nothing. In its protocol (ISO/IEC 14443-4, after RATS) it does
        not hear a search, until it is deselected and its power was off."""
        there = [one for one in self.selected if one in self._cards and one.state in ("active", "protocol")]
        said = there[0].card.exchange(data) if there else None
        if said is None:
            self._busy_s += SILENT_S
        else:
            shown = there[0]
            took_s = shown.card.took_s(data, said)
            shown.talked_s += took_s
            self._busy_s += took_s
            if shown.card.ats and data[:1] == b"\xe0":
                shown.state = "protocol"
            elif shown.state == "protocol" and data[:1] in (b"\xc2", b"\xca"):
                shown.state = "halt"
        return said

    def spent_s(self) -> float:
        """How long the cards took, or were waited for, since this was last asked: nothing is due before they answered."""
        spent_s, self._busy_s = self._busy_s, 0.0
        return spent_s

    def run(self, search: Search, now: float) -> tuple[float, list[Presentation]] | None:
        """Carry *search* on up to *now*; when it ended and what it found (nothing: attempts used up), or None."""
        while search.next_try_s <= now:
            at_s = search.next_try_s
            if search.tries_left == 0:
                return at_s, []
            if self.empty:
                # Nobody there since: skip the attempts that have passed in one step.
                passed = int((now - at_s) / TRY_S) + 1
                if search.tries_left is not None:
                    passed = min(passed, search.tries_left)
                    search.tries_left -= passed
                search.next_try_s = at_s + passed * TRY_S
                continue
            found = self._attempt(search, at_s)
            if found:
                self.selected = found
                for shown in found:
                    shown.state = "active"
                return at_s, found
            if search.tries_left is not None:
                search.tries_left -= 1
            # A card that has just come is answered when it is awake, not at the next full step.
            waking = [shown.powered_at_s + self._activation_s for shown in self._cards]
            search.next_try_s = min([t for t in waking if at_s < t < at_s + TRY_S] + [at_s + TRY_S])
        return None

    def _attempt(self, search: Search, at_s: float) -> list[Presentation]:
        found: list[Presentation] = []
        for shown in self._cards:
            if at_s < shown.powered_at_s + self._activation_s:
                continue
            if shown.state == "active":
                # A request that an active card does not expect sends it back to idle without an answer.
                shown.state = "idle"
            elif shown.state == "idle" and (not search.wanted_uid or search.wanted_uid == shown.card.uid):
                found.append(shown)
        # Of several, anticollision follows the branch of ones.
        found.sort(key=lambda shown: shown.card.uid, reverse=True)
        return found[: search.most]
