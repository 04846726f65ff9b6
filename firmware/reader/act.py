"""One person at a kiosk: what they have done so far, from the card to the end. In memory only."""

from firmware.contract import statement
from firmware.reader.kiosk_table import PIN_MOST


class Act:
    """What one person has done so far, from the card to the end."""

    def __init__(self, tokens, entry, held, by=None):
        self.tokens = tokens
        self.entry = entry
        #: the token that stands for the card in records: while card keys change, the store knows each card by the older
        self.subject = statement.evidence_of([held if held is not None else tokens[-1]])[1:]
        self.tries = 0
        self.fingers = 0
        self.digits = ""
        self.pin_right = False
        self.done = False
        #: of an enrolment: the staff card
        self.by = by

    def typed(self, char) -> str:
        """A digit of the PIN was pressed, or `*`, which takes all of them back. Returns a star for each that there is."""
        if char == "*":
            self.digits = ""
        elif len(self.digits) < PIN_MOST:
            self.digits += char
        return "*" * len(self.digits)

    def is_of(self, tokens) -> bool:
        """Whether it is the same card."""
        return any([token in self.tokens for token in tokens])  # noqa: C419  a list is less heap than a generator
