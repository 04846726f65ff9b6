"""What is owed: every green and acknowledgement seen on the console, held against what the next guest recovers.

`Owed` counts; `DoorOwed` and `GateOwed` know what the lines of door.py and gate.py mean. They hear each line of each
guest on one disk, in order, and judge as a recovery has been said to its end. They believe nothing but the console.
"""

from abc import ABC, abstractmethod

from firmware.contract import statement, topics
from firmware.contract.errors import ContractError
from gateway.arrival import identity
from tests.guest.door import KEY
from tests.guest.power import GuestFailed


class Owed(ABC):
    """What one part owes, and where it fell short."""

    def __init__(self) -> None:
        #: greens or acknowledgements seen
        self.said: int = 0
        #: of what was owed, what was not there after a cut
        self.lost: int = 0
        #: what was there twice
        self.doubled: int = 0
        #: what was there under its name but with other content
        self.altered: int = 0
        #: recoveries that were judged
        self.judged: int = 0
        #: recovered, though the light or acknowledgement was not seen any more: the cut came in between
        self.unseen: int = 0
        #: rules that did not hold, as sentences
        self.broken: list[str] = []
        self._found: dict = {}
        self._kept = 0

    @abstractmethod
    def new_disk(self) -> None:
        """A new disk begins: nothing is owed on it."""

    def boot(self) -> None:
        """A new guest begins. What the one before did not say to its end is forgotten."""
        self._found = {}
        self._kept = 0

    def hear(self, words: list[str]) -> None:
        """One line, without the name of the part."""
        word, *rest = words
        if word == "recovered":
            if int(rest[0]) != self._kept:
                raise GuestFailed(f"the console lost lines: {rest[0]} recovered, {self._kept} of them said")
            self._judge()
            self.judged += 1
        elif word != "done":  # which says that it only looked
            getattr(self, f"_{word}")(*rest)

    def _failed(self, *why: str) -> None:
        raise GuestFailed(f"a part of the guest failed: {' '.join(why)}")

    @abstractmethod
    def _judge(self) -> None:
        """Hold what is owed against what this guest has recovered, and count what is not as it must be."""


class DoorOwed(Owed):
    """The Pi's journal: greens are kept, once, unaltered; numbers have no gap; a journal names the one before it."""

    def __init__(self) -> None:
        super().__init__()
        #: rosters that were kept, and those that were gone after a cut
        self.rosters: int = 0
        self.rosters_lost: int = 0
        self.new_disk()

    def new_disk(self) -> None:
        self._owed: dict[tuple[str, int], str] = {}
        self._receipts: dict[str, int] = {}
        #: heads of all journals there ever were, in order of opening
        self._heads: dict[str, int] = {}
        self._held: dict[str, tuple[int, int, int]] = {}
        self._version_ms = 0

    def boot(self) -> None:
        super().boot()
        self._held = {}

    def _green(self, line: str) -> None:
        said = statement.read(line)
        if said.values["verdict"] != "green":
            raise GuestFailed(f"a light that was no green was called one: {said.values['verdict']}")
        self._owed[said.values["journal"], said.values["seq"]] = line
        self.said += 1

    def _receipted(self, journal: str, up_to: str) -> None:
        self._receipts[journal] = max(self._receipts.get(journal, -1), int(up_to))

    def _roster(self, version_ms: str) -> None:
        self._version_ms = int(version_ms)
        self.rosters += 1

    def _shelf(self, version_ms: str) -> None:
        if int(version_ms) < self._version_ms:
            self.rosters_lost += 1
        self._version_ms = int(version_ms)

    def _alarm(self, code: str) -> None:
        self.broken.append(f"the journal opened with the alarm {code}")

    def _held_line(self, journal: str, oldest: str, freed: str, head: str) -> None:
        self._held[journal] = int(oldest), int(freed), int(head)

    def _kept_line(self, line: str) -> None:
        self._kept += 1
        try:
            said = statement.read(line)
        except ContractError:
            self.altered += 1
            return
        place = said.values["journal"], said.values["seq"]
        if place in self._found:
            self.doubled += 1
        elif not KEY.made(said.text.encode(), said.mac):
            self.altered += 1
        self._found[place] = line

    def hear(self, words: list[str]) -> None:
        # `_held` and `_kept` are what was heard of them.
        if words[0] in ("held", "kept"):
            getattr(self, f"_{words[0]}_line")(*words[1:])
        else:
            super().hear(words)

    def _judge(self) -> None:
        for (journal, seq), line in self._owed.items():
            if seq <= self._receipts.get(journal, -1):
                continue
            if (journal, seq) not in self._found:
                self.lost += 1
            elif self._found[journal, seq] != line:
                self.altered += 1
        kept = {place: line for place, line in self._found.items() if place[1] > self._receipts.get(place[0], -1)}
        self.unseen += len(kept.keys() - self._owed.keys())
        for journal, (oldest, freed, head) in self._held.items():
            receipted = self._receipts.get(journal, -1)
            if sorted(seq for name, seq in self._found if name == journal) != list(range(oldest, head + 1)):
                self.broken.append(f"{journal} has a hole")
            if oldest > receipted + 1:
                self.broken.append(f"{journal} begins at {oldest}, and has a receipt up to {receipted}")
            if freed > receipted:
                self.broken.append(f"{journal} is freed up to {freed}, and has a receipt up to {receipted}")
            self._names_the_one_before(journal)
            self._heads[journal] = head
        self._owed = kept

    def _names_the_one_before(self, journal: str) -> None:
        if journal in self._heads or (journal, 0) not in self._found:
            return
        before, before_seq = list(self._heads.items())[-1] if self._heads else (None, None)
        said = statement.read(self._found[journal, 0])
        if said.kind != "open":
            self.broken.append(f"{journal} begins with a {said.kind}")
        elif (said.values["before"], said.values["before_seq"]) != (before, before_seq):
            self.broken.append(f"{journal} names {said.values['before']}, and the one before it is {before}")


class GateOwed(Owed):
    """The gateway's spool: what was acknowledged waits in it, once, unaltered, until it was forwarded."""

    def __init__(self) -> None:
        super().__init__()
        self.new_disk()

    def new_disk(self) -> None:
        self._owed: set[str] = set()
        self._forwarded: set[str] = set()

    def _acked(self, *names: str) -> None:
        self._owed.update(names)
        self.said += len(names)

    def _forwarding(self, *names: str) -> None:
        self._forwarded.update(names)

    def hear(self, words: list[str]) -> None:
        if words[0] == "kept":
            self._kept_line(*words[1:])
        else:
            super().hear(words)

    def _kept_line(self, id: str, lane: str, seq: str, content: str) -> None:
        self._kept += 1
        site, reader, journal = lane.split("/")
        received = bytes.fromhex(content)
        if identity(topics.topic(site, reader, "swipes"), received).hex() != id:
            self.altered += 1
        elif not journal.startswith("!"):
            said = statement.read(received.decode())
            if (said.values["journal"], said.values["seq"]) != (journal, int(seq)):
                self.altered += 1
        if id[:16] in self._found:
            self.doubled += 1
        self._found[id[:16]] = received

    def _judge(self) -> None:
        self.lost += len(self._owed - self._forwarded - self._found.keys())
        self.unseen += len(self._found.keys() - self._owed)
        self._owed = set(self._found)
