"""What a reader decided and showed. The words stand in the journal and on the wire."""

GREEN = "green"  #: on the list, recorded (PORT-3)
NOT_LISTED = "red"  #: not on the class list (PORT-4)
NO_SESSION = "shut"  #: no session open at this door
UNCHECKED = "check"  #: stored, will be checked: no clock, no valid list, or a card this list is too old to know

VERDICTS = (GREEN, NOT_LISTED, NO_SESSION, UNCHECKED)
