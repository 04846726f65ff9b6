"""The audit in words: what was done to what, for a person to read. Pure: lines in, words out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.pages import campus_words, words
from server.pages.accounts import ACTIONS as ACCOUNTS
from server.pages.local import Local
from server.scope import ROLE_NAMES
from server.store.audit_lines import Line, parts

Names = Mapping[tuple[str, int], str]

#: what a list may be narrowed to: its word in the address, what it is called, the actions (or what stands before their dot)
KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "accounts": ("accounts and roles", ("account", "passkey", "token")),
    "people": ("people and class lists", ("person", "enrolment")),
    "cards": ("cards and PINs", ("card", "pin", "misuse-flag")),
    "timetable": (
        "sessions and what they consist of",
        ("session", "room", "term", "department", "programme", "course", "class", "batch", "course-run"),
    ),
    "registers": ("registers and marks", ("register", "mark", "proposal", "report", "paper")),
    "requests": ("change requests", ("request",)),
    "absences": ("absences and trips", ("absence", "trip")),
    "rules": ("profiles", ("profile",)),
    "imports": ("scheduled imports", ("schedule",)),
    "readers": ("readers, their slots and their releases", ("reader", "slot", "release", "rollout")),
    "line": ("gateways, broker and its authority", ("gateway", "broker", "ca")),
    "store": ("the store itself", ("store", "mail", "retention", "heads")),
    "taken": (
        "what was exported or looked up",
        ("register.export", "residence.export", "person.export", "audit.export", "emergency.read"),
    ),
    "erased": ("what was erased", ("text.erase", "person.erase")),
    "residence": (
        "the residence",
        ("house", "kiosk", "resident", "duty", "evening", "residence-flag", "residence-leave", "template", "consent",
         "residence"),
    ),
}  # fmt: skip
#: of these the residence's own act decides who may know whom they are about
OF_RESIDENCE = (*KINDS["residence"][1], "pin")
NOBODY = "Muster"

ACTIONS: Mapping[str, str] = {
    **ACCOUNTS,
    "account.add": "account made: {role}",
    "account.grant": "role given: {role}",
    "account.revoke": "role taken away: {role}",
    "mark.set": "marks set by hand",
    "register.verify": "register verified",
    "register.cover": "cover, or handed over",
    "register.export": "registers exported: {form}, {registers} of them",
    "residence.export": "month of the residence exported: {form}, {month}",
    "audit.export": "audit exported: {form}, {lines} lines",
    "person.export": "everything about them taken as a file",
    "emergency.read": "list of who was seen where looked at: {hours} h, {seen} people",
    "person.erase": "erased: name, texts, card and finger",
    "card.sign": "cards that sign registered: {cards}",
    "card.secret": "secret of cards that sign: {way}",
    "text.erase": "texts erased",
    "proposal.refuse": "the mark stays, whatever the door says",
    "report.close": "report about a register closed",
    "paper.said": "kept on paper",
    "paper.transferred": "transferred from paper",
    "paper.destroyed": "the paper was destroyed",
    "session.cancel": "class cancelled",
    "session.restore": "cancellation taken back",
    "request.make": "asked for",
    "request.approve": "approved by a further role",
    "request.applied": "applied",
    "request.rejected": "rejected",
    "request.withdrawn": "withdrawn",
    "request.evidence": "evidence asked for",
    "request.files": "files added",
    "absence.report": "reported",
    "absence.approve": "approved",
    "absence.reject": "rejected",
    "absence.withdraw": "withdrawn",
    "absence.cut-short": "cut short",
    "trip.plan": "planned",
    "trip.change": "changed",
    "trip.confirm": "who came is confirmed",
    "trip.cancel": "called off",
    "course-run.dates": "dates of the course set",
    "course-run.days": "first and last day set",
    "course-run.final": "final since the lock date",
    "schedule.change": "scheduled import changed: {kind}, every {every_min} min",
    "schedule.run": "import asked for",
    "house.add": "house added: {code}",
    "house.change": "house changed",
    "kiosk.place": "kiosk placed",
    "kiosk.end": "kiosk taken away",
    "resident.add": "moves in",
    "resident.room": "has another room",
    "resident.end": "moves out",
    "resident.dates": "lives there at other dates",
    "duty.add": "is on duty",
    "duty.end": "is on duty no more",
    "evening.entry": "entered as in: {reason}",
    "evening.excuse": "excused for an evening: {reason}",
    "evening.call": "called",
    "evening.note": "noted",
    "evening.not-then": "a check-in without a time was not this evening's",
    "evening.withdraw": "taken back",
    "evening.hand-over": "told to the next shift",
    "residence-flag.close": "flag closed",
    "residence-leave.ask": "leave asked for",
    "residence-leave.approve": "leave approved",
    "residence-leave.refuse": "leave refused",
    "residence-leave.withdraw": "leave withdrawn",
    "reader.revoke": "reader believed no more: {why}",
    "reader.release": "what it had before the theft counts: {count}",
    "misuse-flag.close": "what may be misuse of a card judged: {outcome}",
    "slot.make": "slot made for a reader: {reader}",
    "slot.claim": "a board claimed its slot, key {key}",
    "slot.withdraw": "slot taken back: {reader}",
    "release.trust": "release key {key} trusted",
    "release.distrust": "release key {key} trusted no more",
    "release.add": "release brought: {version} for {board}",
    "rollout.start": "sent out: {version} for {board}, to {readers} readers",
    "rollout.stop": "roll-out stopped",
    "rollout.go-on": "roll-out goes on without those that failed",
    "rollout.end": "stopped roll-out ended",
    "rollout.stopped-itself": "roll-out stopped by itself in stage {stage}",
    "rollout.done": "roll-out done",
    "ca.next": "next certificate authority made",
    "ca.turn": "certificates come from the next authority; readers that do not know it: {unaware}",
    "ca.end": "the authority before is trusted no more",
    "ca.forget": "a server is gone: no certificate of its is waited for",
    "reader.move": "serves another door",
    "reader.add": "made, with its key",
    "reader.adopt": "made known again, under the key that it has",
    "reader.lost": "records declared lost: {first} to {last} of journal {journal}",
    "gateway.add": "made, with its token",
    "gateway.revoke": "revoked: it delivers no more",
    "token.make": "token for programs made",
    "ca.make": "certificate authority made",
    "ca.issue": "certificate made for {hosts}",
    "broker.config": "broker's configuration, certificate and agent made: {name}",
    "broker.password": "new password at the broker",
    "mail.again": "mails tried once more: {count}",
    "retention.run": "retention rules done at once",
    "heads.thin": "what readers stated each minute thinned: {gone}",
    "store.upgrade": "schema {was} to {now}",
    "store.restore": "put back from a backup of {made}",
    "reader.command": "asked from afar: {name}",
    "pin.set": "PIN set",
    "pin.end": "PIN ended",
    "template.arm": "finger to be enrolled",
    "template.disarm": "enrolment called off",
    "consent.give": "consent given",
    "consent.withdraw": "consent withdrawn: templates are erased",
}
_SUBJECTS = {
    "profiles": "Profiles", "house": "The whole house", "audit": "The audit", "authority": "The authority",
    "broker": "The broker", "store": "The store", "mails": "Mails", "retention": "Retention", "heads": "Readers",
}  # fmt: skip
_NOUNS = {"class": "class", "course-run": "course run", "reader": "reader", "flag": "flag"}
#: where what a line is about has a page, and the act by which the whole of it opens
_PAGES = {
    "room": ("/registry/rooms/{}", "campus.read"),
    "term": ("/registry/terms/{}", "campus.read"),
    "department": ("/registry/departments/{}", "campus.read"),
    "programme": ("/registry/programmes/{}", "campus.read"),
    "course": ("/registry/courses/{}", "campus.read"),
    "class": ("/registry/classes/{}", "campus.read"),
    "batch": ("/registry/batches/{}", "campus.read"),
    "session": ("/sessions/{}", "register.read"),
    "request": ("/requests/{}", "request.read"),
    "account": ("/accounts/{}", "accounts.change"),
}


def is_of_residence(one: Line) -> bool:
    """Whether a line is about somebody's life in the residence."""
    return one.action.partition(".")[0] in OF_RESIDENCE


def what(one: Line, local: Local) -> str:
    """What was done, with what was written down about it; an action without words here says its own name."""
    said = ACTIONS.get(one.action)
    if said is None:
        return campus_words.what(one, local)
    role = str(one.detail.get("role", ""))
    return said.format_map(_Known({key: str(value) for key, value in one.detail.items()} | {
        "role": ROLE_NAMES.get(role, role), "reason": str(one.detail.get("reason") or "no reason").replace("-", " "),
    }))  # fmt: skip


class _Known(dict):
    """Says so where an older line does not say it."""

    def __missing__(self, key: str) -> str:
        return "not said"


def about(one: Line, names: Names) -> str:
    """What it is about: `room BK 0.12`; a person whom the reader may not know only by the number that they have here."""
    said = [_named(kind, key, names) for kind, key in parts(one.subject)]
    return ", ".join(said) or _SUBJECTS.get(one.subject, one.subject)


def _named(kind: str, key: int, names: Names) -> str:
    name = names.get((kind, key))
    if kind == "person" and name:
        return name
    noun = _NOUNS.get(kind, kind)
    return f"{noun} {name or key}"


def page_of(one: Line, names: Names, whole: Mapping[str, bool]) -> str:
    """The address of what it is about; '' where it has no page, or not for this reader. whole: act -> it reaches all."""
    named = parts(one.subject)
    if not named:
        return ""
    kind, key = named[0]
    if kind == "person":
        return f"/registry/people/{key}" if names.get(named[0]) and whole["campus.read"] else ""
    address, act = _PAGES.get(kind, ("", "campus.read"))
    return address.format(key) if whole[act] else ""


def line(one: Line, names: Names, whole: Mapping[str, bool], local: Local) -> dict[str, Any]:
    """A line as pages and files show it."""
    hidden = is_of_residence(one) and not whole["residence.read"]
    return {
        "day": local.dated(one.at_ms),
        "time": local.seconds(one.at_ms),
        "by": one.by or words.by_command(one.detail) or NOBODY,
        "about": "The residence" if hidden else about(one, names),
        "href": "" if hidden else page_of(one, names, whole),
        "what": "something about a resident, for whoever reads the residence" if hidden else what(one, local),
    }
