"""Persistent lateness (LOUGH-15): who was late again and again, by the profile's numbers. No reason stands here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute
from server.pages.local import Local, parse_day
from server.pages.rendering import page
from server.policy import lateness as rules
from server.store import lateness, people
from server.store.engine import reading
from server.store.lateness import Late

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/lateness")
@act("lateness.read")
def late(signed: Signed, day: str = "", all: str = "") -> Response:
    """The students of one's sessions who were late too often in the time up to a day. all: whoever was late at all."""
    ruled = {name: one for name, one in signed.desk.profiles.items() if one.persistent is not None and one.late}
    everybody = all == "1"
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        last = parse_day(day) or local.today()
        days = max((one.persistent.days for one in ruled.values() if one.persistent), default=28)
        from_ms, to_ms = local.bounds(last - timedelta(days=days - 1))[0], local.bounds(last)[1]
        codes = {one.late for one in ruled.values() if one.late}
        found, whole = lateness.of(connection, signed.scope, codes, from_ms, to_ms)
        reached = people.reached(connection, signed.scope, (one.person_id for one in found), "attendance.read")
    lines = _lines(signed, found, local, last, everybody)
    return page(
        signed.request,
        "lateness.html",
        login=signed.login,
        day=last.isoformat(),
        rules=[
            {"title": one.title, "times": one.persistent.times, "days": one.persistent.days}
            for one in ruled.values()
            if one.persistent
        ],
        lines=lines,
        reached=reached,
        everybody=everybody,
        many=len(lines),
        whole=whole,
        last=found[-1].full_name if found else "",
    )


def _lines(signed: Visit, found: Iterable[Late], local: Local, last: date, everybody: bool) -> list[dict[str, Any]]:
    by_person: dict[tuple[int, str], list[Late]] = {}
    for one in found:
        profile = signed.desk.profile(one.profile, one.starts_ms)
        if not rules.is_late(profile, late_min=one.late_min, early_min=one.early_min):
            continue
        by_person.setdefault((one.person_id, one.profile), []).append(one)
    until_ms = local.bounds(last)[1] - 1
    lines = []
    for mine in by_person.values():
        profile = signed.desk.profile(mine[0].profile, mine[-1].starts_ms)
        judged = rules.persistent(profile, [one.starts_ms for one in mine], now_ms=until_ms, zone=local.zone)
        if judged is None or not judged.times or not (judged.persistent or everybody):
            continue
        counted = mine[-judged.times :]
        lines.append(
            {
                "person_id": mine[0].person_id,
                "name": mine[0].full_name,
                "external_id": mine[0].external_id,
                "times": judged.times,
                "minutes": sum(one.late_min or 0 for one in counted),
                "persistent": judged.persistent,
                "sessions": [
                    {
                        "id": one.session_id,
                        "title": one.title,
                        "when": local.moment(one.starts_ms),
                        "minutes": words.missed(one.late_min, one.early_min),
                    }
                    for one in reversed(counted)
                ],
            }
        )
    # As they came, by name, where these are alike.
    return sorted(lines, key=lambda line: (-line["times"], -line["minutes"]))
