"""The residence's staff and registry before the store: by commands, on its pages as a browser would, and over its API.

Lists of residents and duty are taken in on the registry's page; PINs, consents, enrolments and leave on the residence's.
What is compared at the end comes from the API.
"""

import asyncio
import csv
import io
import re
import secrets
from collections.abc import Mapping
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import httpx

from simulator.line import Line, Login
from simulator.processes import PartFailed, run
from simulator.residence_check import CheckIn
from simulator.residence_people import CAPACITY, RADIUS_M, Residence, Resident

_FIELD = re.compile(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"')
_FLAG = re.compile(r'<h2>([^<]*)</h2><p class="facts">(.*?)</p>', re.DOTALL)
_OPTION = re.compile(r'<option value="(\d+)"[^>]*>([^<]*)')
#: the account that is made for staff on duty; the registry has one already
WARDEN, REGISTRY = "warden", "registry"
#: what staff's page of flags says of a kiosk that was carried off
MOVED = "The kiosk was moved from its registered place"


class Pages:
    """Somebody signed in to the pages, who sends their forms."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=60, follow_redirects=False)

    async def sign_in(self, login: Login) -> None:
        """Sign in with a password. Raises PartFailed."""
        fields = self._fields((await self._http.get("/sign-in")).text)
        await self.send("/sign-in", {"csrf": fields["csrf"], "login": login.name, "password": login.password})

    async def get(self, path: str) -> str:
        """A page. Raises PartFailed where it is none for them."""
        answer = await self._http.get(path)
        if answer.status_code != 200:
            raise PartFailed(f"GET {path} answered {answer.status_code}: {_said(answer.text)}")
        return answer.text

    async def send(self, path: str, fields: Mapping[str, str], *, file: bytes | None = None) -> str:
        """Send a form; a page that sends one on has taken it. Returns the page where one came back instead."""
        files = None if file is None else {"file": ("list.csv", file, "text/csv")}
        answer = await self._http.post(path, data=dict(fields), files=files)
        if answer.status_code == 303:
            return ""
        if answer.status_code == 200 and file is not None:
            return answer.text
        raise PartFailed(f"POST {path} answered {answer.status_code}: {_said(answer.text)}")

    async def form(self, path: str, fields: Mapping[str, str], *, at: str | None = None) -> None:
        """Open the page *at* (else *path*), take what its form hides, and send it to *path* with these fields."""
        page = await self.get(at or path)
        await self.send(path, self._fields(page) | dict(fields))

    async def take_in(self, kind: str, rows: list[dict[str, str]], first: date) -> None:
        """Give a list to the registry's page, look, and take it in. first: the day from which it holds."""
        text = io.StringIO()
        writer = csv.DictWriter(text, [*rows[0], "from"])
        writer.writeheader()
        writer.writerows(row | {"from": first.isoformat()} for row in rows)
        path = "/residence/registry/import"
        fields = {"csrf": self._fields(await self.get(path))["csrf"], "kind": kind}
        data = text.getvalue().encode()
        looked = self._fields(await self.send(path, {**fields, "do": "look"}, file=data))
        if "seen" not in looked:
            raise PartFailed(f"nothing follows from the list of {kind}")
        said = await self.send(path, {**fields, "seen": looked["seen"], "do": "do"}, file=data)
        if said:
            raise PartFailed(f"the list of {kind} was not taken in: {_said(said)}")

    async def kiosks(self, path: str) -> dict[str, str]:
        """The kiosks that a page offers: name -> the form's value."""
        return {
            unescape(name).partition(",")[0].strip(): value for value, name in _OPTION.findall(await self.get(path))
        }

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    @staticmethod
    def _fields(page: str) -> dict[str, str]:
        return {name: unescape(value) for name, value in _FIELD.findall(page)}


class Desk:
    """Everything that people of the residence do away from its kiosks. Files stand in *folder*."""

    def __init__(self, residence: Residence, line: Line, folder: Path) -> None:
        self._residence = residence
        self._line = line
        self._folder = folder
        self.settings = folder / "settings"
        #: of the residence's staff
        self.login = Login(who="residence staff", name=WARDEN, password=secrets.token_urlsafe(9))
        self._warden: Pages | None = None
        self._api: httpx.AsyncClient | None = None
        #: the registry's number of each resident -> the store's id; and the houses' by code
        self._people: dict[str, int] = {}
        self._houses: dict[str, int] = {}

    def provision(self) -> None:
        """By commands, before the store runs: houses with their kiosks, and an account for staff. Raises PartFailed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        host, port = self._line.broker
        for house in self._residence.houses:
            place = f"{house.latitude:.5f},{house.longitude:.5f},{RADIUS_M}"
            for name in house.kiosks:
                run(
                    [
                        "reader", "add", name, "--kiosk", house.code, "--new-house", house.name, "--place", place,
                        "--capacity", str(CAPACITY), "--sensor-password", str(secrets.randbelow(1 << 32)),
                        "--broker", self._line.broker_url or f"mqtt://{host}:{port}",
                        "--out", str(self.settings / f"{name}.json"),
                    ],
                    env=self._line.env,
                )  # fmt: skip
        self._line.add_staff(self.login, ["--role", "residence", "--name", self.login.who])
        self._line.logins.append(self.login)

    async def prepare(self, evening: date) -> None:
        """Once the store runs: lists, then PINs, leave on this evening, consents and enrolments."""
        registrar = next(one for one in self._line.logins if one.name == REGISTRY)
        token = await asyncio.to_thread(run, ["staff", "token", "admin", "--name", "residence"], env=self._line.env)
        self._api = httpx.AsyncClient(
            base_url=self._line.url, timeout=60, headers={"Authorization": f"Bearer {token.strip()}"}
        )
        registry = Pages(self._line.url)
        await registry.sign_in(registrar)
        people = self._residence.residents.values()
        # From the evening's date on: after midnight the evening that is on may be yesterday's.
        await registry.take_in(
            "residents",
            [{"number": one.id.upper(), "house": one.house, "floor": one.floor, "room": one.room} for one in people],
            evening,
        )
        await registry.take_in(
            "duty",
            [{"number": one.upper(), "house": house.code} for house in self._residence.houses for one in house.staff],
            evening,
        )
        await registry.close()
        self._warden = Pages(self._line.url)
        await self._warden.sign_in(self.login)
        self._houses = {one["code"]: one["id"] for one in (await self._get("/residence/houses"))["houses"]}
        day = evening.isoformat()
        for row in await self._rows(day):
            self._people[row["number"]] = row["person_id"]
        for one in people:
            await self._prepare(one, day)
        for leave in re.findall(r"/residence/leaves/(\d+)/decide", await self._warden.get("/residence/leaves")):
            decided = {"do": "approve", "text": ""}
            await self._warden.form(f"/residence/leaves/{leave}/decide", decided, at="/residence/leaves")

    async def _prepare(self, one: Resident, day: str) -> None:
        assert self._warden is not None
        at = f"/residence/residents/{self._people[one.id.upper()]}"
        if one.pin:
            await self._warden.form(f"{at}/pin", {"pin": one.pin, "again": one.pin}, at=at)
        for kiosk in one.fingers_at:
            kiosks = await self._warden.kiosks(f"{at}/enrol")
            await self._warden.form(f"{at}/enrol", {"agreed": "yes", "kiosk": kiosks[kiosk]})
        if one.away:
            await self._warden.form(f"{at}/leave", {"first": day, "last": day, "text": "Visiting family"}, at=at)

    def to_enrol(self, kiosk: str) -> list[Resident]:
        """Who is to have a finger enrolled at a kiosk."""
        return [one for one in self._residence.residents.values() if kiosk in one.fingers_at]

    async def withdraw(self) -> None:
        """Whoever takes the consent back does so, before staff."""
        assert self._warden is not None
        for one in self._residence.residents.values():
            if one.withdraws:
                at = f"/residence/residents/{self._people[one.id.upper()]}"
                await self._warden.form(f"{at}/consent/withdraw", {}, at=at)

    # -- what the store says -------------------------------------------------------------------------------------------

    async def check_ins(self) -> list[CheckIn]:
        """Every check-in in the store, over its API."""
        found: list[CheckIn] = []
        cursor = 0
        while True:
            page = await self._get(f"/residence/check-ins?limit=1000&after={cursor}")
            found += [
                CheckIn(
                    kiosk=one["reader"],
                    journal=one["journal"],
                    seq=one["seq"],
                    person=(one["person"] or "").lower(),
                    witness=(one["witness"] or "").lower(),
                    method=one["method"],
                    at_ms=one["at_ms"],
                    counts=one["counts"],
                    why=one["why"],
                )
                for one in page["check_ins"]
            ]
            if not page["next"]:
                return found
            cursor = page["next"]

    async def board(self, day: str) -> dict[str, str]:
        """Every resident's state on the board of that evening (ISO date)."""
        return {row["number"].lower(): row["state"] for row in await self._rows(day)}

    async def moved(self) -> set[str]:
        """The kiosks of which staff's page says that they were moved."""
        # Signed in anew: between the afternoon and the evening the store's clock was put on.
        pages = Pages(self._line.url)
        await pages.sign_in(self.login)
        flags = _FLAG.findall(await pages.get("/residence/flags"))
        await pages.close()
        return {name for text, facts in flags if text == MOVED for name in re.findall("<span>kiosk ([^<]*)<", facts)}

    async def close(self) -> None:
        """Hang up."""
        for one in (self._warden, self._api):
            if isinstance(one, Pages):
                await one.close()
            elif one is not None:
                await one.aclose()

    async def _rows(self, day: str) -> list[dict[str, Any]]:
        boards = [await self._get(f"/residence/houses/{one}/board?day={day}") for one in self._houses.values()]
        return [row for board in boards for row in board["people"]]

    async def _get(self, path: str) -> dict[str, Any]:
        assert self._api is not None
        answer = await self._api.get(f"/api/v1{path}")
        if answer.status_code != 200:
            raise PartFailed(f"GET /api/v1{path} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()


def _said(page: str) -> str:
    """What a page tells, without its tags."""
    body = page.partition("<main")[2] or page
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())[:400]
