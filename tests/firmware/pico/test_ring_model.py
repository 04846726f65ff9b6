"""The Pico's journal against a simple model: random taps, receipts, housekeeping, boots and power cuts."""

from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from firmware.pico.ring import Ring
from firmware.reader.errors import StorageFailed, StorageFull
from simulator.unixport.nor import CUTS, Nor
from tests.firmware.pico.ring_bench import blank, fill, rest
from tests.firmware.pico.scripts import ring_cuts as cuts


class RingMachine(RuleBasedStateMachine):
    """Random appends, receipts, housekeeping, boots and power cuts, against lists of lines."""

    blocks = 5
    #: each time that the ring was held against the model: how many records it then held. Of all machines of a run
    looked: ClassVar[list[int]] = []

    @initialize()
    def start(self):
        self.nor = blank(self.blocks)
        self.life = cuts.Life()
        self.boots = 0
        self.journal = None
        self.ring = Ring(self.nor)
        self.idle_until_done()

    def idle_until_done(self):
        rest(self.ring)

    def one(self):
        try:
            if self.journal is None:
                self.boots += 1
                self.journal = cuts.boot(self.ring, self.life, self.boots)
            else:
                seq = len(self.life.lines[self.journal])
                cuts.append(self.ring, self.life, self.journal, cuts.swipe_text(self.journal, seq))
        except StorageFull:
            self.life.trying = None
            if self.journal is not None and self.journal not in self.life.lines:
                self.journal = None

    @rule(count=st.integers(1, 50))
    def tap(self, count):
        for _ in range(count):
            self.one()

    @precondition(lambda self: self.life.order)
    @rule(data=st.data())
    def receipt(self, data):
        # The store commits journals in order here; out of order is another rule.
        for journal in self.life.order:
            head = len(self.life.lines[journal]) - 1
            if self.life.freed[journal] < head:
                cuts.receipt(self.ring, self.life, journal, data.draw(st.integers(self.life.freed[journal], head)))
                break

    @precondition(lambda self: self.life.order)
    @rule(data=st.data())
    def receipt_of_any_journal(self, data):
        journal = data.draw(st.sampled_from(self.life.order))
        cuts.receipt(self.ring, self.life, journal, len(self.life.lines[journal]) - 1)

    @precondition(lambda self: self.life.order)
    @rule(data=st.data())
    def lost_by_the_store(self, data):
        held = data.draw(st.sampled_from(self.ring.journals()))
        first = data.draw(st.integers(0, held.head))
        self.ring.unfree(held.journal, first)
        # What is recycled stays so: the model's mark cannot go below it.
        self.life.freed[held.journal] = min(self.life.freed[held.journal], max(first, held.oldest) - 1)

    @rule(count=st.integers(1, 4))
    def idle(self, count):
        for _ in range(count):
            self.ring.idle()

    @rule()
    def reboot(self):
        self.nor = Nor(self.nor._memory, len(self.nor._memory))
        self.freed_at_most()
        self.ring = Ring(self.nor)
        self.journal = None

    @rule(how=st.sampled_from(CUTS), after=st.integers(0, 12), seed=st.integers(1, 1000))
    def cut(self, how, after, seed):
        self.nor = Nor(self.nor._memory, len(self.nor._memory), after, how, seed)
        self.ring._flash = self.nor
        try:
            for i in range(12):
                self.one()
                self.ring.idle()
                if self.journal is not None and i % 4 == 3:
                    self.life.freed[self.journal] = max(self.life.freed[self.journal], i - 3)
                    self.ring.free(self.journal, i - 3)
        except StorageFailed:
            assert self.nor.dead
        self.reboot()
        cuts.check(self.ring, self.life, "cut")
        cuts.settle(self.ring, self.life)

    def freed_at_most(self):
        """An `unfree` may be lost with the power: the store then asks again. The model forgets that it was asked."""
        for h in Ring(self.nor).journals():
            if h.journal in self.life.freed:
                self.life.freed[h.journal] = max(self.life.freed[h.journal], h.freed)

    @invariant()
    def holds(self):
        if hasattr(self, "ring"):
            cuts.check(self.ring, self.life, "model")
            self.looked.append(sum(h.head + 1 for h in self.ring.journals()))


def test_any_sequence_of_taps_receipts_housekeeping_boots_and_cuts_matches_a_simple_model():
    RingMachine.looked.clear()
    run_state_machine_as_test(
        RingMachine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)
    )
    # A machine that finds a difference has raised; here it is seen that it looked, and had something to look at.
    assert len(RingMachine.looked) > 600
    assert max(RingMachine.looked) > 100


@given(st.lists(st.integers(0, 200), min_size=1, max_size=40), st.integers(1, 60))
@settings(max_examples=25)
def test_reading_from_any_place_gives_the_same_lines(places, limit):
    ring = Ring(blank(10))
    rest(ring)
    journal = cuts.journal_id(1)
    fill(ring, journal, 0, 201)
    everything = ring.read(journal, 0, 999)
    for place in places:
        assert ring.read(journal, place, limit) == everything[place : place + limit]
