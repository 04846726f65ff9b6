"""Makes the pictures in docs/images/, and those of every page at a desk and on a phone, and as it is printed.

python -m tests.server.pages.pictures FOLDER              # every page: the desk in the light, the phone in the dark
python -m tests.server.pages.pictures FOLDER --swapped    # the other way round
python -m tests.server.pages.pictures docs/images --docs
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
import time
from pathlib import Path

from server import names
from server.clock import Clock
from server.store import parts, schema
from server.store.engine import writing
from tests.parts_chromium import Chromium
from tests.server.pages.browser import Tab
from tests.server.pages.college import NAMES as LONG_AND_SHORT
from tests.server.pages.college import College
from tests.server.pages.person import Person
from tests.server.pages.school import NOW, PASSWORD, School
from tests.server.pages.serving import Gateway, Serving
from tests.server.pages.visits import visits

#: those of the college, but the one that is too long for a picture
NAMES = [name for name in LONG_AND_SHORT if len(name) < 40]


def main() -> None:
    """Say where to, and which."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--only", default="", help="those with this in their name")
    parser.add_argument("--swapped", action="store_true", help="the desk in the dark and the phone in the light")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp())
    try:
        if arguments.docs:
            _docs(arguments.folder, work)
        else:
            _every(arguments.folder, work, arguments.only, arguments.swapped)
    finally:
        shutil.rmtree(work)


def _every(folder: Path, work: Path, only: str, swapped: bool) -> None:
    """Every page of the college, as the role that uses it; what has to be printed also as it is printed."""
    college = College(work, students=26)
    serving = Serving(college.served)
    tab = Tab(Chromium(shutil.which("chromium") or "chromium", work))
    person = Person(tab, serving.url)
    try:
        for number, visit in enumerate(visits(college)):
            if only not in visit.name:
                continue
            person.enter(college.cookie(visit.who) if visit.who else None)
            name = f"{number:03}-{re.sub(r'[^a-z]+', '-', visit.name.lower()).strip('-')}"
            for width, dark in ((1280, swapped), (360, not swapped)):
                tab.look(width=width, height=800, dark=dark)
                person.open(visit.address)
                tab.picture(folder / f"{name}-{width}{'-dark' if dark else ''}.png", whole=True)
            if "print" in visit.name or visit.name == "/sessions/{session}":
                # As wide as A4 between its margins, in pixels of CSS.
                tab.look(width=718, height=1000)
                tab.call("Emulation.setEmulatedMedia", media="print")
                person.open(visit.address)
                tab.picture(folder / f"{name}-print.png", whole=True)
                tab.call("Emulation.setEmulatedMedia", media="")
    finally:
        tab.close()
        serving.close()
        college.close()


def _docs(folder: Path, work: Path) -> None:
    """Seed a school whose clock runs, serve it, and take the pictures of docs/images."""
    begun = time.time()
    school = School(work, students=len(NAMES), clock=Clock(origin_s=begun, offset_s=NOW / 1000 - begun))
    paths = _seed(school)
    serving = Serving(school.app(work=True))
    gateway = Gateway(school, serving.url)
    tab = Tab(Chromium(shutil.which("chromium") or "chromium", work))
    try:
        _swipes(school, gateway)
        for name in ("sign-in", "today", "register", "doors"):
            tab.look(width=1100, height=760)
            who = "tess" if name == "doors" else "ada"
            tab.call("Network.clearBrowserCookies")
            tab.go(f"{serving.url}/sign-in?next={paths[name]}")
            if name != "sign-in":
                tab.run(f"document.getElementById('login').value = '{who}'")
                tab.run(f"document.getElementById('password').value = '{PASSWORD}'")
                tab.submit("form button.main")
            if name == "register":
                # Somebody arrives while it is looked at.
                student = 15
                gateway.deliver(school.board.swipe(school.uids[student], school.clock.now_ms()))
                tab.until(f"document.getElementById('p{school.students[student]}').classList.contains('fresh')")
                time.sleep(0.3)
            tab.picture(folder / f"{name}.png")
    finally:
        tab.close()
        gateway.close()
        serving.close()
        school.close()


def _seed(school: School) -> dict[str, str]:
    world = school.world
    with writing(world.engine) as connection:
        for person_id, name in zip(school.students, NAMES, strict=True):
            family = name.split(" ", 1)[1]
            values = {"full_name": name, "sort_name": names.sort_name(family, name)}
            connection.execute(
                schema.person_name.update().where(schema.person_name.c.person_id == person_id).values(**values)
            )
            connection.execute(
                schema.person_external_id.insert().values(
                    institution_id=world.institution_id, person_id=person_id, source="identifier",
                    external_id=f"up{2100000 + person_id * 7919}", from_ms=0,
                )
            )  # fmt: skip
        for place, code in enumerate(("BK 0.12", "BK 1.04")):
            connection.execute(schema.room.update().where(schema.room.c.id == world.rooms[place]).values(code=code))
        for person_id, name in ((school.ada, "Dr Ada Byron"), (school.bob, "Bob Noyce")):
            connection.execute(
                schema.person_name.update().where(schema.person_name.c.person_id == person_id).values(full_name=name)
            )
        connection.execute(
            schema.account.update().where(schema.account.c.login == "ada").values(shown_name="Ada Byron")
        )
    school.session("Discrete mathematics", starts_min=-140, minutes=60, room=1)
    now = school.session("Operating systems: scheduling", starts_min=-6)
    step = school.session("Digital logic workshop", starts_min=-2, minutes=90, room=1, profile="step")
    with writing(world.engine) as connection:
        parts.set_staff(connection, world.institution_id, step, [school.ada, school.bob], world.now_ms)
    school.session("Compilers", starts_min=100, minutes=120)
    cancelled = school.session("Tutorial group 4", starts_min=220, minutes=50, cancelled_ms=school.now_ms)
    with writing(world.engine) as connection:
        connection.execute(
            schema.session_staff.update().where(schema.session_staff.c.session_id == cancelled).values(role="cover")
        )
    return {"sign-in": "/", "today": "/today", "register": f"/sessions/{now}", "doors": "/doors"}


def _swipes(school: School, gateway: Gateway) -> None:
    minute = 60_000
    now = school.clock.now_ms()
    rooms = {"bk-012": "BK 0.12", "bk-104": "BK 1.04"}
    boards = {}
    from firmware.contract.mac import Key
    from server.store import readers
    from tests.server.store_world import Board

    for name, code in {**rooms, "bk-230": None, "lib-001": None}.items():
        with writing(school.world.engine) as connection:
            key_id, secret = readers.add(
                connection, school.world.vault, school.world.institution_id, name=name, site_name="main",
                room_code=code, from_ms=0, now_ms=now - 30 * 24 * 60 * minute,
            )  # fmt: skip
        boards[name] = Board(name, Key(key_id, secret), school.world.keys)
        boards[name].boot(at_ms=now - 300 * minute)
    one, two, three = boards["bk-012"], boards["bk-104"], boards["bk-230"]
    school.board = one
    for board, roster in ((one, now - 40 * minute), (two, now - 40 * minute), (three, None)):
        gateway.deliver(*board.lines, board.hello(roster=roster))
    for n in range(0, 12, 1):
        if n != 5:
            gateway.deliver(two.swipe(school.uids[n], now - (141 - n) * minute + n * 7919 % 50_000))
    for n in range(13):
        if n % 6 != 4:
            gateway.deliver(one.swipe(school.uids[n], now - (8 - n // 3) * minute + n * 7919 % 50_000))
    gateway.deliver(one.swipe(bytes([4, 250, 250, 9]), now - 3 * minute))
    for n in range(16, 24):
        gateway.deliver(two.swipe(school.uids[n], now - 3 * minute + n * 1000))
    heads = [board.head(at, able=able) for board, able in ((one, "ok"), (two, "ok"), (three, "chip"))
             for at in (now - minute, now)]  # fmt: skip
    gateway.deliver(*heads)
    # A record that is stated and does not come, and one that nobody can believe.
    three.swipe(school.uids[1], now - minute)
    gateway.deliver(three.head(now, able="chip"))
    forged = two.swipe(school.uids[2], now - minute)
    gateway.deliver(forged[:-4] + "0000")
    # The server works out what it was told.
    for _ in range(20):
        time.sleep(0.1)


if __name__ == "__main__":
    main()
