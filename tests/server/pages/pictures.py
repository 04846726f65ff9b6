"""Makes the pictures in docs/images/, and those of every page in light and dark, on a desk and on a phone.

python -m tests.server.pages.pictures FOLDER          # all of them, to be looked at
python -m tests.server.pages.pictures docs/images --docs
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from server.clock import Clock
from server.store import schema, sessions
from server.store.engine import writing
from tests.parts_chromium import Chromium
from tests.server.pages.browser import Tab
from tests.server.pages.school import NOW, PASSWORD, School
from tests.server.pages.serving import Gateway, Serving

NAMES = """Amara Okafor|Anton Weiß|Beatriz Álvarez Núñez|Chen Yu-Ting|Daniel O’Sullivan|Elif Yıldız|Farah Haddad
Grace Kim|Hamish MacDonald|Ingrid Sørensen|Jamal Washington|Katarzyna Wójcik|Leila Ben Amor|Mateo Rossi|Ngozi Eze
Oliver Brown|Priya Raghunathan|Quentin Lefèvre|Rosa Jiménez|Siddharth Iyer|Tomás Ó Briain|Uma Krishnan|Viktor Novák
Wen Li|Yusuf Demir|Zoë van der Berg""".replace("\n", "|").split("|")


def main() -> None:
    """Seed a school, serve it, take the pictures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--docs", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp())
    begun = time.time()
    school = School(work, students=len(NAMES), clock=Clock(origin_s=begun, offset_s=NOW / 1000 - begun))
    paths = _seed(school)
    serving = Serving(school.app(work=True))
    gateway = Gateway(school, serving.url)
    tab = Tab(Chromium(shutil.which("chromium") or "chromium", work))
    try:
        _swipes(school, gateway)
        for name, dark, width, height in _wanted(arguments.docs):
            tab.look(width=width, height=height, dark=dark)
            who = "tess" if name == "doors" else "admin" if name == "all" else "ada"
            tab.call("Network.clearBrowserCookies")
            tab.go(f"{serving.url}/sign-in?next={paths[name]}")
            if name != "sign-in":
                tab.run(f"document.getElementById('login').value = '{who}'")
                tab.run(f"document.getElementById('password').value = '{PASSWORD}'")
                tab.submit("form button.main")
            if name == "mark":
                tab.run(f"document.getElementById('c{school.students[7]}').click()")
                tab.until("!!document.querySelector('.panel')")
            if name == "register":
                # Somebody arrives while it is looked at.
                school.late = getattr(school, "late", 14) + 1
                student = school.late % len(NAMES)
                gateway.deliver(school.board.swipe(school.uids[student], school.clock.now_ms()))
                tab.until(f"document.getElementById('p{school.students[student]}').classList.contains('fresh')")
                time.sleep(0.3)
            tag = "" if arguments.docs else f"-{'dark' if dark else 'light'}-{width}"
            tab.picture(arguments.folder / f"{name}{tag}.png")
    finally:
        tab.close()
        gateway.close()
        serving.close()
        school.close()
        shutil.rmtree(work)


def _wanted(docs: bool):
    if docs:
        return [(name, False, 1100, 760) for name in ("sign-in", "today", "register", "doors")]
    names = ("sign-in", "today", "all", "register", "step", "ended", "mark", "doors")
    sizes = ((False, 1100, 800), (True, 1100, 800), (False, 360, 780), (True, 360, 780))
    return [(name, dark, width, height) for name in names for dark, width, height in sizes]


def _seed(school: School) -> dict[str, str]:
    world = school.world
    with writing(world.engine) as connection:
        for person_id, name in zip(school.students, NAMES, strict=True):
            family = name.split(" ", 1)[1]
            values = {"full_name": name, "sort_name": f"{family}, {name}".casefold()}
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
    before = school.session("Discrete mathematics", starts_min=-140, minutes=60, room=1)
    now = school.session("Operating systems: scheduling", starts_min=-6)
    step = school.session("Digital logic workshop", starts_min=-2, minutes=90, room=1, profile="step")
    with writing(world.engine) as connection:
        sessions.set_staff(connection, world.institution_id, step, [school.ada, school.bob], world.now_ms)
    school.session("Compilers", starts_min=100, minutes=120)
    cancelled = school.session("Tutorial group 4", starts_min=220, minutes=50, cancelled_ms=school.now_ms)
    with writing(world.engine) as connection:
        connection.execute(
            schema.session_staff.update().where(schema.session_staff.c.session_id == cancelled).values(role="cover")
        )
    return {"sign-in": "/", "today": "/today", "all": "/today", "register": f"/sessions/{now}",
            "step": f"/sessions/{step}", "ended": f"/sessions/{before}", "mark": f"/sessions/{now}",
            "doors": "/doors"}  # fmt: skip


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
