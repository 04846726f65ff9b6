"""The purposes for which something is stored, as the page says them to whoever it is about."""

from __future__ import annotations

from collections.abc import Mapping

from server.store.inventory import Group

WHO, SIGN_IN, CARDS, LINE, REGISTERS, REQUESTS, ABSENCES, MESSAGES, CAMPUS, PROOF, RUNNING = (
    "who", "sign-in", "cards", "line", "registers", "requests", "absences", "messages", "campus", "proof", "running",
)  # fmt: skip
RESIDENCE, FINGER, MISUSE = "residence", "finger", "misuse"

#: said wherever the institution has not written its own
TO_SAY = "your institution names it: ask the registry"

GROUPS: Mapping[str, Group] = {
    WHO: Group(
        title="Who you are",
        why="So that a register, a message and a report name the right person.",
        basis=TO_SAY,
        seen_by="You; lecturers of your classes (name and number); the registry and administrators.",
        keep="As long as you belong to the institution; then until the registry erases you.",
    ),
    CARDS: Group(
        title="Your card",
        why="So that a door knows you by your card. The number inside the card never leaves the reader: what is kept is "
        "a token made from it, which nobody can turn back.",
        basis=TO_SAY,
        seen_by="The registry and administrators see that you have a card, not its token.",
        keep="As long as you belong to the institution; taken away when you are erased.",
    ),
    LINE: Group(
        title="Your taps at doors",
        why="A tap is the proof of a mark. It is kept as the reader told it, so that nobody can alter it.",
        basis=TO_SAY,
        seen_by="Lecturers of the class, the registry, auditors and administrators, on the register it belongs to.",
        keep="The tap stays as proof; the card's token in it is taken out by the retention rule swipe-tokens, or when "
        "you are erased.",
    ),
    REGISTERS: Group(
        title="Your attendance",
        why="Registers, reports and what follows from them, such as a bursary.",
        basis=TO_SAY,
        seen_by="You; lecturers of your classes; heads, curriculum managers, the registry, student finance and auditors "
        "within their part of the institution.",
        keep="Marks and their history stay, under a number that names nobody once you are erased.",
    ),
    REQUESTS: Group(
        title="Changes that were asked for",
        why="So that a mark is changed only with a reason, and somebody who may.",
        basis=TO_SAY,
        seen_by="Who asked, who decides, the registry and auditors.",
        keep="The decision stays; reasons and files go when you are erased or on demand.",
    ),
    ABSENCES: Group(
        title="Your absences and trips",
        why="So that an absence with a reason is not counted as one without, and staff know where you are.",
        basis=TO_SAY,
        seen_by="You; lecturers of your classes without the reason; whoever decides, the registry and administrators.",
        keep="That there was one stays; reasons, callers' names and files go when you are erased or on demand.",
    ),
    MESSAGES: Group(
        title="Messages to you",
        why="So that you hear of cancelled classes and decisions, and it can be shown that you were told.",
        basis=TO_SAY,
        seen_by="You and whoever wrote it.",
        keep="Texts by the retention rule messages, addresses by the rule mails, letters in the outbox folder by the rule "
        "outbox-letters; sooner when you are erased.",
    ),
    SIGN_IN: Group(
        title="Your account",
        why="So that only you see what is yours. Passwords are kept as hashes; no address of yours on the network is kept.",
        basis=TO_SAY,
        seen_by="You; administrators, without any secret.",
        keep="Logins by the retention rules logins and sign-in-flows; the account is closed when you are erased.",
    ),
    MISUSE: Group(
        title="Whether a card is misused",
        why="So that nobody is marked by somebody else's hand. It says only that taps look odd: a person asks you before "
        "anything follows from it, and no mark changes by it.",
        basis=TO_SAY,
        seen_by="The registry within its part of the institution, auditors and administrators; not lecturers.",
        keep="What staff found by the rule misuse-notes, the taps it rested on by the rule misuse-evidence, and then all of it "
        "by the rule misuse-suspicions.",
    ),
    RESIDENCE: Group(
        title="The residence",
        why="So that staff on duty know each evening who is in, and whom to look for.",
        basis=TO_SAY,
        seen_by="You; staff of your house; the registry, auditors and administrators.",
        keep="Where a check-in was (a square of about one kilometre) by the rule check-in-cells, card tokens in it by the "
        "rule check-in-tokens; what staff wrote by the rules duty-notes, evening-notes, leave-notes and flag-notes. Your "
        "precise place is never kept.",
    ),
    FINGER: Group(
        title="Your fingerprint",
        why="Only if you agree, and never needed: a card with a PIN counts just the same. The print itself is not here. "
        "It is a template inside the sensor of your house's kiosk, and cannot be read out; what is kept is which of its "
        "places is yours, and that you agreed.",
        basis="your consent, which you may take back at any time",
        seen_by="You and staff of your house see that there is one.",
        keep="Until you take your consent back, leave the house or are erased. That you agreed, to which words and until "
        "when, stays as proof.",
    ),
    PROOF: Group(
        title="Who did what",
        why="So that it can be shown that nobody altered a register unseen. It holds numbers and words, no names.",
        basis=TO_SAY,
        seen_by="Auditors and administrators; a register's history also whoever may read the register.",
        keep="For as long as registers are kept.",
    ),
    CAMPUS: Group(
        title="Classes, rooms and rules",
        why="What the timetable and the rules say. Nobody is described by it.",
        basis="nobody's data",
        seen_by="Whoever needs it to work.",
        keep="As long as it is needed.",
    ),
    RUNNING: Group(
        title="Readers and the system itself",
        why="So that readers, gateways and imports work and faults are seen.",
        basis=TO_SAY,
        seen_by="Technicians and administrators.",
        keep="Reports of imports by the rules old-imports and import-reports; what could not be believed by the rule "
        "quarantine; outages of readers and alerts about them by the rules reader-outages, reader-alerts and "
        "reader-notices, commands to them by the rule reader-commands. That a reader was stolen stays, so that nothing of it "
        "ever counts.",
    ),
}
