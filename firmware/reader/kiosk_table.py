"""The kiosk's states as a table: what each event does in each state, how long each waits, and what the board is asked to do.

idle      nobody is there                        staff   a staff card was held: whose finger is to be enrolled?
finger    a finger is compared on the sensor     enrol   the sensor takes two pictures of a finger
pin       a PIN is being given                   shown   what came of it stands on the display
witness   a staff card is waited for
"""

from collections import namedtuple

FINGER_MS = 15_000
PIN_MS = 30_000
WITNESS_MS = 30_000
STAFF_MS = 30_000
ENROL_MS = 90_000
ENROL_STEP_MS = 20_000  #: for each thing that the person must do
SHOWN_MS = 2_500
#: The kiosk waits this much longer than the sensor, whose answer says why nothing came.
GRACE_MS = 3_000
SETTLE_EVERY_MS = 1_000

#: fingers refused in one act, after which the alternative is offered
FINGERS_MOST = 3
PIN_LEAST, PIN_MOST = 4, 8  #: digits

#: Compare the next finger with a slot. act: comes back with the answer; one that is not the last asked for is not heard.
#: lift: what lies on the glass is somebody else's finger, or was taken already: it must go first.
Verify = namedtuple("Verify", ("act", "slot", "lift"))
#: Put a finger into a slot. The sensor asks `intend(act)` before it writes.
Enrol = namedtuple("Enrol", ("act", "slot"))
#: Do not wait for fingers any more.
Cancel = namedtuple("Cancel", ())
#: Ask the sensor once more which slots it holds: it said something that the ledger does not. Answered by `sensor_holds`.
Survey = namedtuple("Survey", ())
#: Sound what this verdict sounds like.
Beep = namedtuple("Beep", ("verdict",))

IDLE, FINGER, PIN, WITNESS, STAFF_HERE, ENROLLING, SHOWN = "idle", "finger", "pin", "witness", "staff", "enrol", "shown"
STATES = (IDLE, FINGER, PIN, WITNESS, STAFF_HERE, ENROLLING, SHOWN)
EVENTS = ("card", "key", "checked", "step", "enrolled", "late")
DEADLINES = {
    FINGER: FINGER_MS + GRACE_MS,
    PIN: PIN_MS,
    WITNESS: WITNESS_MS,
    STAFF_HERE: STAFF_MS,
    ENROLLING: ENROL_MS,
    SHOWN: SHOWN_MS,
}
#: (state, event) -> the method that carries it out and returns the next state; None: nothing happens.
TABLE = {
    (IDLE, "card"): "_begin",
    (IDLE, "key"): None,
    (IDLE, "checked"): None,
    (IDLE, "step"): None,
    (IDLE, "enrolled"): "_enrolment_after_all",
    (IDLE, "late"): None,
    (FINGER, "card"): "_another_card",
    (FINGER, "key"): "_instead_of_finger",
    (FINGER, "checked"): "_checked",
    (FINGER, "step"): None,
    (FINGER, "enrolled"): "_enrolment_after_all",
    (FINGER, "late"): "_give_up",
    (PIN, "card"): "_another_card",
    (PIN, "key"): "_digit",
    (PIN, "checked"): None,
    (PIN, "step"): None,
    (PIN, "enrolled"): "_enrolment_after_all",
    (PIN, "late"): "_give_up",
    (WITNESS, "card"): "_witnessed",
    (WITNESS, "key"): "_instead_of_witness",
    (WITNESS, "checked"): None,
    (WITNESS, "step"): None,
    (WITNESS, "enrolled"): "_enrolment_after_all",
    (WITNESS, "late"): "_give_up",
    (STAFF_HERE, "card"): "_resident_to_enrol",
    (STAFF_HERE, "key"): "_leave",
    (STAFF_HERE, "checked"): None,
    (STAFF_HERE, "step"): None,
    (STAFF_HERE, "enrolled"): "_enrolment_after_all",
    (STAFF_HERE, "late"): "_give_up",
    (ENROLLING, "card"): None,  # the finger is half-way: a card laid down by the way ends nothing
    (ENROLLING, "key"): "_leave",
    (ENROLLING, "checked"): None,
    (ENROLLING, "step"): "_enrol_step",
    (ENROLLING, "enrolled"): "_enrolled",
    (ENROLLING, "late"): "_give_up",
    (SHOWN, "card"): "_next_person",
    (SHOWN, "key"): None,
    (SHOWN, "checked"): None,
    (SHOWN, "step"): None,
    (SHOWN, "enrolled"): "_enrolment_after_all",
    (SHOWN, "late"): "_end",
}
#: an enrolment's steps on the display
STEPS = {"place": "enrol-place", "poor": "enrol-poor", "remove": "enrol-remove", "place-again": "enrol-again"}
