"""Houses, who lives there, who is on duty, and the kiosks: looked at, added, changed, ended (DDU-12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import NotAllowed, NotFound, StoreError
from server.pages import residence_import, residence_words, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, id_in, number
from server.pages.local import Local, parse_day
from server.pages.rendering import page
from server.store import campus as campus_store
from server.store import campus_people, readers, residence_admin, residence_board, residence_reach
from server.store.campus import FieldRefused
from server.store.engine import Connection, reading, writing
from server.store.residence_admin import Kiosk, Resident

router = APIRouter(route_class=PageRoute, include_in_schema=False)
router.include_router(residence_import.router)
Form = Annotated[dict[str, str], Depends(form)]
MANAGE = "residence.manage"
HOME = "/residence/registry"


def _again(error: StoreError) -> None:
    """What a form can mend is shown on its page; all else is the problem's page."""
    if isinstance(error, NotAllowed) or error.status >= 500:
        raise error


@router.get(HOME)
@act(MANAGE)
def houses(signed: Signed, said: str = "") -> Response:
    """The houses, and a form for one more."""
    return _houses(signed, said=residence_words.SAID.get(said))


def _houses(
    signed: Visit, *, said: str | None = None, problem: StoreError | None = None, typed: Any = None
) -> Response:
    with reading(signed.engine) as connection:
        now_ms = signed.now_ms()
        found = residence_board.houses(connection, signed.scope, MANAGE)
        ended = residence_board.houses(connection, signed.scope, MANAGE, ended=True)
        lines = [
            {
                "id": one.id,
                "code": one.code,
                "name": one.name,
                "residents": len(residence_admin.residents(connection, signed.scope, one.id, now_ms)),
                "kiosks": len(residence_admin.kiosks(connection, signed.scope, one.id, now_ms)),
            }
            for one in found
        ]
    return page(
        signed.request,
        "residence_registry.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        houses=lines,
        ended=ended,
        typed=typed or {},
        said=said,
        problem=words.sentence(problem) if problem is not None else None,
    )


@router.post(HOME)
@act(MANAGE)
def add_house(signed: Signed, fields: Form) -> Response:
    """A house more."""
    check_csrf(fields, signed.login)
    try:
        with writing(signed.engine) as connection:
            made = residence_admin.add_house(
                connection, signed.scope, fields.get("code", ""), fields.get("name", ""), signed.now_ms()
            )
    except StoreError as error:
        _again(error)
        return _houses(signed, problem=error, typed=fields)
    return RedirectResponse(f"{HOME}/houses/{made}?said=made", status_code=303)


@router.get(HOME + "/houses/{house}")
@act(MANAGE)
def one(signed: Signed, house: str, said: str = "") -> Response:
    """One house: residents, duty, kiosks, each with its forms."""
    return _house(signed, number(house, "house"), said=residence_words.SAID.get(said))


def _house(signed: Visit, house_id: int, *, said: str | None = None, problem: StoreError | None = None) -> Response:
    with reading(signed.engine) as connection:
        scope = signed.scope
        residence_reach.need_house(connection, scope, house_id, MANAGE)
        local = signed.local(connection)
        here = residence_board.houses(connection, scope, MANAGE)
        found = next((one for one in here if one.id == house_id), None)
        over = residence_board.houses(connection, scope, MANAGE, ended=True) if found is None else []
        ended = next((one for one in over if one.id == house_id), None)
        living = residence_admin.residents(connection, scope, house_id, local.now_ms)
        duty = residence_admin.duties(connection, scope, house_id, local.now_ms)
        kiosks = residence_admin.kiosks(connection, scope, house_id, local.now_ms)
        taken = {one.reader_id for one in residence_admin.kiosks(connection, scope, None, local.now_ms)}
        every = readers.listed(connection, scope.institution_id, local.now_ms)
    return page(
        signed.request,
        "residence_house.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        house_id=house_id,
        house=found,
        ended=ended,
        residents=[_line(one, local) for one in living],
        duties=[_line(one, local) for one in duty],
        kiosks=[_kiosk(one, local) for one in kiosks],
        # One at a door would get no class list any more.
        readers=[{"id": one.id, "name": one.name} for one in every if one.id not in taken and one.room_code is None],
        capacity=residence_admin.CAPACITY,
        today=local.today().isoformat(),
        said=said,
        problem=words.sentence(problem) if problem is not None else None,
    )


def _line(one: Resident, local: Local) -> dict[str, Any]:
    span = f"since {local.dated(one.from_ms)}" if one.from_ms <= local.now_ms else f"from {local.dated(one.from_ms)}"
    until = f" until {local.dated(one.to_ms - 1)}" if one.to_ms is not None else ""
    return {
        "id": one.id,
        "person_id": one.person_id,
        "name": one.name or "name erased",
        "number": one.number,
        "floor": one.floor,
        "room": one.room,
        "span": span + until,
        "source": "by hand" if one.source == campus_store.SOURCE else one.source,
    }


def _kiosk(one: Kiosk, local: Local) -> dict[str, Any]:
    place = "no place registered: where check-ins there are made is not known"
    if one.latitude is not None and one.longitude is not None:
        place = f"{one.latitude:.5f}, {one.longitude:.5f}, within {one.radius_m} m"
    return {
        "id": one.reader_id,
        "name": one.reader,
        "place": place,
        "latitude": "" if one.latitude is None else one.latitude,
        "longitude": "" if one.longitude is None else one.longitude,
        "radius": "" if one.radius_m is None else one.radius_m,
        "slots": f"{one.taken} of {one.capacity} places taken",
        "full": one.taken >= one.capacity,
        "since": local.dated(one.from_ms),
    }


def _do(
    signed: Visit, fields: dict[str, str], house_id: int, work: Callable[[Connection, Local], object], said: str
) -> Response:
    """A change in a house, and back to its page."""
    check_csrf(fields, signed.login)
    with reading(signed.engine) as connection:
        campus_store.need_whole(signed.scope, MANAGE)
        residence_reach.need_house(connection, signed.scope, house_id, MANAGE)
    try:
        with writing(signed.engine) as connection:
            work(connection, signed.local(connection))
    except StoreError as error:
        _again(error)
        return _house(signed, house_id, problem=error)
    signed.request.app.state.wake()
    return RedirectResponse(f"{HOME}/houses/{house_id}?said={said}", status_code=303)


def _day_ms(fields: dict[str, str], name: str, local: Local, *, after: bool = False) -> int:
    day = parse_day(fields.get(name, "").strip())
    if day is None:
        raise FieldRefused("dates", name, "fill in a day, such as 2026-11-22")
    return local.bounds(day)[1 if after else 0]


def _to_ms(fields: dict[str, str], local: Local) -> int | None:
    return _day_ms(fields, "to", local, after=True) if fields.get("to", "").strip() else None


def _person(connection: Connection, signed: Visit, fields: dict[str, str]) -> int:
    text = fields.get("number", "").strip()
    if not text:
        raise FieldRefused("number", "number", "fill in their student or staff number")
    try:
        return campus_people.by_number(connection, signed.scope, text)
    except NotFound as error:
        raise FieldRefused("number", "number", str(error)) from error


@router.post(HOME + "/houses/{house}")
@act(MANAGE)
def change_house(signed: Signed, house: str, fields: Form) -> Response:
    """Another name; do=end: the house is no more, once nobody lives there; one that has ended is open again."""
    house_id = number(house, "house")
    ended = fields.get("do") == "end"

    def work(connection: Connection, local: Local) -> None:
        name = fields.get("name", "")
        residence_admin.change_house(connection, signed.scope, house_id, name, local.now_ms, ended=ended)

    answer = _do(signed, fields, house_id, work, "changed")
    return RedirectResponse(f"{HOME}?said=ended", status_code=303) if ended and answer.status_code == 303 else answer


@router.post(HOME + "/houses/{house}/residents")
@act(MANAGE)
def add_resident(signed: Signed, house: str, fields: Form) -> Response:
    """Somebody moves in. Fields: number, floor, room, from, to (the last day, or empty)."""
    house_id = number(house, "house")

    def work(connection: Connection, local: Local) -> None:
        residence_admin.add_resident(
            connection, signed.scope, house_id, _person(connection, signed, fields), _day_ms(fields, "from", local),
            local.now_ms, floor=fields.get("floor", ""), room=fields.get("room", ""), to_ms=_to_ms(fields, local),
        )  # fmt: skip

    return _do(signed, fields, house_id, work, "made")


@router.post(HOME + "/houses/{house}/duty")
@act(MANAGE)
def add_duty(signed: Signed, house: str, fields: Form) -> Response:
    """Somebody is on duty: their card witnesses and enrols at this house's kiosks. Fields: number, from, to."""
    house_id = number(house, "house")

    def work(connection: Connection, local: Local) -> None:
        residence_admin.add_duty(
            connection, signed.scope, house_id, _person(connection, signed, fields), _day_ms(fields, "from", local),
            local.now_ms, to_ms=_to_ms(fields, local),
        )  # fmt: skip

    return _do(signed, fields, house_id, work, "made")


@router.post(HOME + "/houses/{house}/kiosks")
@act(MANAGE)
def place_kiosk(signed: Signed, house: str, fields: Form) -> Response:
    """A reader serves this house from now on. Fields: kiosk (the reader), latitude, longitude, radius, capacity."""
    house_id = number(house, "house")

    def work(connection: Connection, local: Local) -> None:
        reader_id = id_in(fields.get("kiosk", ""))
        if reader_id is None:
            raise FieldRefused("kiosk", "kiosk", "choose the reader that stands there")
        capacity = int(_figure(fields, "capacity") or 0)
        _place(connection, signed, fields, reader_id, house_id, capacity, local.now_ms)

    return _do(signed, fields, house_id, work, _placed(fields, "made"))


def _placed(fields: dict[str, str], said: str) -> str:
    """What is said once a kiosk stands where these fields say."""
    return said if any(fields.get(name, "").strip() for name in ("latitude", "longitude", "radius")) else "no-place"


def _place(
    connection: Connection,
    signed: Visit,
    fields: dict[str, str],
    reader_id: int,
    house_id: int,
    capacity: int,
    now_ms: int,
) -> None:
    radius = _figure(fields, "radius")
    residence_admin.place_kiosk(
        connection, signed.scope, reader_id, house_id, now_ms, now_ms,
        latitude=_figure(fields, "latitude"), longitude=_figure(fields, "longitude"),
        radius_m=None if radius is None else int(radius), capacity=capacity,
    )  # fmt: skip


def _figure(fields: dict[str, str], name: str) -> float | None:
    text = fields.get(name, "").strip()
    if not text:
        return None
    try:
        found = float(text[:32])
    except ValueError:
        found = float("nan")
    if not abs(found) < 1e9:
        raise FieldRefused(name, name, f"the {name} is a number, such as 51.5074")
    return found


@router.post(HOME + "/residencies/{residency}")
@act(MANAGE)
def change_resident(signed: Signed, residency: str, fields: Form) -> Response:
    """Another room; do=end: they move out, with a last day. house: whose page one came from."""
    residency_id = number(residency, "resident")

    def work(connection: Connection, local: Local) -> None:
        if fields.get("do") == "end":
            to_ms = _day_ms(fields, "to", local, after=True)
            residence_admin.end_resident(connection, signed.scope, residency_id, to_ms, local.now_ms)
        else:
            residence_admin.change_resident(
                connection, signed.scope, residency_id, floor=fields.get("floor", ""), room=fields.get("room", ""),
                now_ms=local.now_ms,
            )  # fmt: skip

    return _do_here(signed, fields, work, "changed")


@router.post(HOME + "/duties/{duty}/end")
@act(MANAGE)
def end_duty(signed: Signed, duty: str, fields: Form) -> Response:
    """They are on duty no more, from now on."""
    duty_id = number(duty, "duty")

    def work(connection: Connection, local: Local) -> None:
        residence_admin.end_duty(connection, signed.scope, duty_id, local.now_ms, local.now_ms)

    return _do_here(signed, fields, work, "ended")


@router.post(HOME + "/kiosks/{kiosk}")
@act(MANAGE)
def change_kiosk(signed: Signed, kiosk: str, fields: Form) -> Response:
    """It is registered at another place in the same house, or at none; its sensor keeps what it has. Fields: latitude,
    longitude, radius."""
    reader_id = number(kiosk, "kiosk")

    def work(connection: Connection, local: Local) -> None:
        here = residence_admin.kiosks(connection, signed.scope, None, local.now_ms)
        found = next((one for one in here if one.reader_id == reader_id), None)
        if found is None:
            raise NotFound("kiosk", "there is no such kiosk, or it serves no house now")
        _place(connection, signed, fields, reader_id, found.house_id, found.capacity, local.now_ms)

    return _do_here(signed, fields, work, _placed(fields, "changed"))


@router.post(HOME + "/kiosks/{kiosk}/end")
@act(MANAGE)
def end_kiosk(signed: Signed, kiosk: str, fields: Form) -> Response:
    """It serves no house from now on; its sensor forgets everybody."""
    reader_id = number(kiosk, "kiosk")

    def work(connection: Connection, local: Local) -> None:
        residence_admin.end_kiosk(connection, signed.scope, reader_id, local.now_ms, local.now_ms)

    return _do_here(signed, fields, work, "ended")


def _do_here(signed: Visit, fields: dict[str, str], work: Callable[[Connection, Local], object], said: str) -> Response:
    """A change of something in a house; back to the page of the house that the form named, if it did."""
    check_csrf(fields, signed.login)
    campus_store.need_whole(signed.scope, MANAGE)
    house_id = id_in(fields.get("house", ""))
    try:
        with writing(signed.engine) as connection:
            work(connection, signed.local(connection))
    except StoreError as error:
        _again(error)
        if isinstance(error, NotFound) or house_id is None:
            raise
        return _house(signed, house_id, problem=error)
    signed.request.app.state.wake()
    at = HOME if house_id is None else f"{HOME}/houses/{house_id}"
    return RedirectResponse(f"{at}?said={said}", status_code=303)
