"""The store and the line to it, as seen from one reader: it checks MACs, keeps each record once, and answers with
receipts, `again` and time. It speaks bytes only, made with the real contract, also to a broken reader."""

from firmware.contract import envelope, statement


class StoreEmulator:
    """key: the reader's `Key`. `records`: (journal, seq) -> text."""

    def __init__(self, reader, key):
        self.reader = reader
        self.key = key
        self.records = {}
        self.copies = 0  # records that came again, the same
        self.nonce = None
        self.hellos = []
        self.heads = []
        self.receipts = True  # whether it gives any
        self.promised = {}  # journal -> the furthest that any receipt of ours ever went

    def line(self, kind, **values):
        text = statement.say(kind, self.reader, self.key.id, values)
        return statement.seal(text, self.key.mac(text.encode()))

    def contiguous(self, journal):
        """Everything of this journal is here up to this seq, or -1."""
        seq = 0
        while (journal, seq) in self.records:
            seq += 1
        return seq - 1

    def hears(self, out, wall_ms):
        """A message from the reader; the lines that go down for it."""
        down = []
        if out.kind in ("status", "health"):
            return down
        for line in envelope.unwrap(out.payload):
            said = statement.read(line)
            assert said.reader == self.reader
            assert self.key.made(said.text.encode(), said.mac), "a record without the reader's MAC"
            if said.kind in statement.NUMBERED:
                assert out.kind == "swipes"
                self._keep(said)
            else:
                assert out.kind == said.kind
                down.append(self.line("time", nonce=said.values["nonce"], wall_ms=wall_ms))
                (self.hellos if said.kind == "hello" else self.heads).append(said.values)
            if said.kind == "hello":
                self.nonce = said.values["nonce"]
                for held in said.values["journals"]:
                    if held.freed > self.contiguous(held.journal):
                        first = self.contiguous(held.journal) + 1
                        down.append(
                            self.line("again", nonce=self.nonce, journal=held.journal, first=first, last=held.freed)
                        )
        return down + (self.all_receipts() if out.kind in ("swipes", "hello") and self.receipts and self.nonce else [])

    def all_receipts(self):
        """A receipt for every journal of which the beginning is here."""
        journals = sorted({journal for journal, _ in self.records})
        return [self.receipt(j, self.contiguous(j)) for j in journals if self.contiguous(j) >= 0]

    def receipt(self, journal, up_to):
        self.promised[journal] = max(up_to, self.promised.get(journal, -1))
        return self.line("receipt", nonce=self.nonce, journal=journal, up_to=up_to)

    def _keep(self, said):
        place = (said.values["journal"], said.values["seq"])
        if place in self.records:
            assert self.records[place] == said.text, "two different records with one identity"
            self.copies += 1
        self.records[place] = said.text
