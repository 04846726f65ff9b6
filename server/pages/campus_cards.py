"""A person's card: a new one, by its number or as it was just tapped at a door; and blocking one (PORT-8)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastapi import APIRouter, Response

from server.declared import act
from server.errors import NotFound, StoreError
from server.pages import campus_words as words
from server.pages.campus_form import Ask, Field, Form, Sent, done, refused, sent, show, step
from server.pages.card_desk import ended
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, id_in, number
from server.pages.local import Local
from server.pages.words import Said, sentence
from server.store import campus, campus_cards, campus_people, cards
from server.store.campus import FieldRefused
from server.store.campus_people import Person
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)

WHYS = (("lost", "lost"), ("returned", "given back"), ("blocked", "another reason"))


@router.get("/registry/people/{person}/card")
@act("campus.change")
def ask_card(signed: Signed, person: str, tap: str = "") -> Response:
    """Which card. tap: the one that was chosen at the card desk."""
    with reading(signed.engine) as connection:
        found = campus_people.theirs(connection, signed.scope, number(person, "person"), now_ms=signed.now_ms())
        return show(signed, _ask(signed, connection, found, signed.local(connection), tap))


@router.post("/registry/people/{person}/card")
@act("campus.change")
def give(signed: Signed, person: str, fields: Form) -> Response:
    """Give a new card; the others stop."""
    with reading(signed.engine) as connection:
        found = campus_people.theirs(connection, signed.scope, number(person, "person"), now_ms=signed.now_ms())
        local = signed.local(connection)
        came = sent(signed, fields, local)
        ask = _ask(signed, connection, found, local)
        was = _ended(signed, connection, local)
    seen = came.seen or found.seen
    with writing(signed.engine) as connection:
        # In a writing transaction: the first card key is made when there is none.
        try:
            tokens = _tokens(signed, connection, came)
        except FieldRefused as error:
            return refused(signed, ask, came, error)

    def work(connection: Connection, seen: str) -> int:
        return campus_cards.give(connection, signed.scope, found.id, tokens, seen=seen, now_ms=signed.now_ms())

    def effects() -> list[Said]:
        stops = campus.tried(signed.engine, lambda connection: work(connection, seen))
        said = [Said("calm", f"The new card works for {found.full_name} at the doors within a minute.")]
        if ended := was.get(came.fields.get("tapped", "")) if not came.fields.get("uid", "").strip() else None:
            said.append(Said("late", f"{ended}. See that it is the card in your hand."))
        if stops:
            said.append(Said("late", f"{words.many(stops, 'other card')} of theirs {'stops' if stops == 1 else 'stop'} "
                                     "at every door."))  # fmt: skip
        return said

    def make() -> Response:
        with writing(signed.engine) as connection:
            work(connection, came.seen)
        signed.request.app.state.wake()
        return done(f"/registry/people/{found.id}", "card")

    return step(signed, ask, came, effects, make)


def _tokens(signed: Visit, connection: Connection, came: Sent) -> Sequence[tuple[int, bytes]]:
    """Of the number typed, else of the tap chosen. Notes what is wrong with them; the number goes no further."""
    typed = re.sub(r"[\s:.-]", "", came.fields.get("uid", ""))
    if typed:
        if not re.fullmatch(r"[0-9A-Fa-f]{8,20}", typed) or len(typed) % 2:
            came.answers.wrong("uid", "A card's number is written in pairs of 0 to 9 and A to F, such as 04 A1 B2 C3.")
            return []
        keys = cards.current_keys(
            connection, signed.request.app.state.vault, signed.scope.institution_id, signed.now_ms()
        )
        try:
            return cards.token_for(bytes.fromhex(typed), keys)
        except StoreError as error:
            came.answers.wrong("uid", sentence(error))
            return []
    chosen = id_in(came.fields.get("tapped", ""))
    if chosen is None:
        came.answers.wrong("uid", "Type the card's number, or tap the card at the desk or a door and choose that tap.")
        return []
    # Not only of those that nobody has: the same form may come twice.
    return campus_cards.tokens_of(connection, signed.scope, chosen, signed.now_ms())


def _ended(signed: Visit, connection: Connection, local: Local) -> dict[str, str]:
    """tap -> how its card stopped being somebody's, of those that somebody had."""
    taps = campus_cards.tapped(connection, signed.scope, local.now_ms)
    return {str(one.swipe_id): ended(one.ended, local) for one in taps if one.ended is not None}


def _ask(signed: Visit, connection: Connection, found: Person, local: Local, tap: str = "") -> Ask:
    taps = campus_cards.tapped(connection, signed.scope, local.now_ms)
    options = [("", "none of these"), *(
        (str(one.swipe_id), f"tapped {local.seconds(one.at_ms)} at {one.room or one.reader}"
         f"{', was somebody’s before' if one.ended else ''}") for one in taps
    )]  # fmt: skip
    return Ask(
        title=f"New card for {found.full_name}",
        address=f"/registry/people/{found.id}/card",
        fields=(
            Field(name="tapped", label="A card that nobody has, just tapped", kind="choice", value=tap,
                  options=tuple(options),
                  hint="Hold the new card to the reader on the desk, or to any door's, then load this page again."),
            Field(name="uid", label="Or its number", kind="secret", longest=40,
                  hint="As a card reader at the desk types it. It is turned into a token and kept nowhere."),
        ),
        back=(f"/registry/people/{found.id}", found.full_name),
        seen=found.seen,
        do="Give this card",
    )  # fmt: skip


@router.get("/registry/people/{person}/cards/{card}/block")
@act("campus.change")
def ask_block(signed: Signed, person: str, card: str) -> Response:
    """Why it is to be blocked."""
    with reading(signed.engine) as connection:
        found = campus_people.theirs(connection, signed.scope, number(person, "person"), now_ms=signed.now_ms())
        return show(signed, _ask_block(found, _theirs(found, card)))


@router.post("/registry/people/{person}/cards/{card}/block")
@act("campus.change")
def block(signed: Signed, person: str, card: str, fields: Form) -> Response:
    """Stop a card at every door."""
    with reading(signed.engine) as connection:
        found = campus_people.theirs(connection, signed.scope, number(person, "person"), now_ms=signed.now_ms())
        card_id = _theirs(found, card)
        came = sent(signed, fields, signed.local(connection))
        why = came.answers.chosen("why", WHYS)
    seen = came.seen or found.seen

    def work(connection: Connection, seen: str) -> bool:
        return campus_cards.block(connection, signed.scope, found.id, card_id, why, seen=seen, now_ms=signed.now_ms())

    def effects() -> list[Said]:
        campus.tried(signed.engine, lambda connection: work(connection, seen))
        working = sum(one.to_ms is None for one in found.cards)
        said = [Said("late", "It stops at every door within a minute; a door that cannot be reached stops it when it "
                             "is back, and what was tapped with it meanwhile does not count.")]  # fmt: skip
        if working <= 1:
            said.append(Said("late", f"{found.full_name} has no card then: lecturers mark them by hand."))
        return said

    def make() -> Response:
        with writing(signed.engine) as connection:
            did = work(connection, came.seen)
        signed.request.app.state.wake()
        return done(f"/registry/people/{found.id}", "blocked" if did else "same")

    return step(signed, _ask_block(found, card_id), came, effects, make)


def _theirs(found: Person, card: str) -> int:
    card_id = number(card, "card")
    if card_id not in {one.id for one in found.cards}:
        raise NotFound("card", "there is no such card of theirs")
    return card_id


def _ask_block(found: Person, card_id: int) -> Ask:
    return Ask(
        title=f"Block card {card_id} of {found.full_name}",
        address=f"/registry/people/{found.id}/cards/{card_id}/block",
        fields=(Field(name="why", label="Why", kind="choice", options=WHYS, value="lost"),),
        back=(f"/registry/people/{found.id}", found.full_name),
        seen=found.seen,
        do="Block this card",
    )
