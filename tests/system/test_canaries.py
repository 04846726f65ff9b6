"""No UID is at rest anywhere (PORT-1): 10,000 canaries go through the whole line, and every file that it wrote is searched.

The line is that of a demo, in real processes: import, store, gateway, broker, readers with the real core and journal, and
one whose firmware runs on MicroPython, with an emulated PN532 on its bus. What a registry handed over holds the UIDs, and
stands in a folder of its own; all else that was written since is looked through, with what the store says outside.
"""

import asyncio
import random
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text

from simulator import campus_files
from simulator.campus import Campus, invent
from simulator.doors import BoardDoor, LightHouse
from simulator.line import Line
from simulator.ntag424 import Ntag424, cmac
from simulator.processes import run
from simulator.unixport import runner
from tests.system.canaries import Search, make, told

ROOMS = 6
#: cards held to the reader on MicroPython
AT_THE_BOARD = 12
#: a phone: its number identifies nobody, and is not to be kept either
PHONE = bytes.fromhex("08c4a17e")


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(300, marks=[pytest.mark.timeout(240), pytest.mark.long(40)]),
        pytest.param(10_000, marks=[pytest.mark.timeout(900), pytest.mark.long(200), pytest.mark.proof]),
    ],
)
@pytest.mark.needs("micropython")
@pytest.mark.rule("PORT-1")
def test_of_every_card_that_went_through_the_line_no_number_is_in_any_file(tmp_path, rng, count):
    canaries = make(count, rng)
    campus = with_canaries(canaries)
    given, work = tmp_path / "given", tmp_path / "work"
    campus_files.write(campus, given)
    line = Line(work, broker_url=None, database_url=None, gateways=1)
    line.start_broker()
    try:
        readers = {room: room.lower() for room in campus.rooms}
        settings = line.provision(campus, given, readers, lambda _: None)
        signing = that_sign(line, given, canaries[:AT_THE_BOARD])
        line.start()
        kept = asyncio.run(played(line, settings, readers, canaries, signing, rng))
        assert signing and set(messages(line)) == {True}, "what they signed was checked, and right"
        speak(line, campus, work / "said")
    finally:
        line.stop()
    assert kept >= count, "every canary was held to a door, and its swipe is in the store"
    search = Search([*canaries, PHONE])
    # It finds them where they are known to be: else it would prove nothing.
    handed_over = {person.uid for person in campus.people.values() if person.uid}
    assert set().union(*search.in_files(given).values()) >= handed_over
    assert told(search.in_files(work)) == {}


def with_canaries(canaries: list[bytes]) -> Campus:
    """A campus whose every card, lost ones too, is a canary."""
    students = len(canaries) * 20 // 21
    campus = invent(seed=7, rooms=ROOMS, students=students, now_ms=time.time_ns() // 1_000_000)
    free = iter(canaries)
    people = {}
    for key, person in campus.people.items():
        uid = next(free) if person.uid else b""
        people[key] = replace(person, uid=uid, lost_uid=next(free, b"") if person.lost_uid else b"")
    return replace(campus, people=people)


def that_sign(line: Line, given: Path, uids: list[bytes]) -> dict[bytes, Ntag424]:
    """Cards that sign, those of these with 7 bytes; the store is told of them as whoever wrote them would."""
    run(["card", "secret", "--out", str(given / "secret")], env=line.env)
    secret = bytes.fromhex((given / "secret").read_text())
    made = {uid: Ntag424(uid=uid, key=cmac(secret, b"\x01" + uid + b"muster")) for uid in uids if len(uid) == 7}
    (given / "signing.txt").write_text("".join(f"{uid.hex()}\n" for uid in made))
    run(["card", "sign", str(given / "signing.txt")], env=line.env)
    return made


def messages(line: Line) -> list[bool]:
    """Whether each of the messages in the store is genuine."""
    engine = create_engine(line.database_url)
    with engine.connect() as connection:
        found = [bool(one) for one in connection.execute(text("SELECT genuine FROM swipe_message")).scalars()]
    engine.dispose()
    return found


async def played(
    line: Line, settings: Path, readers: dict[str, str], canaries: list[bytes], signing: dict[bytes, Ntag424],
    rng: random.Random,
) -> int:  # fmt: skip
    """Hold every canary to a door. Returns how many swipes the store holds in the end."""
    (room, name), *others = readers.items()
    light = line.folder / "light"
    light.mkdir()
    for _, other in others:
        (settings / f"{other}.json").rename(light / f"{other}.json")
    house = LightHouse(light, dict(others), scale=1, log=line.folder / "logs" / "light.log")
    built = runner.build(line.folder / "built")
    board = BoardDoor(
        room,
        name,
        lambda pty: runner.Board(
            built=built, settings=settings / f"{name}.json", flash=line.folder / "board.flash", pty=pty,
            log=line.folder / "logs" / "board.log",
        ),
    )  # fmt: skip
    try:
        await house.start()
        await board.power_on()
        await opened([board, *house.doors.values()])
        for uid in canaries[:AT_THE_BOARD]:
            light_seen, _ = await board.present(signing.get(uid, uid), 5)
            assert light_seen, "the reader on MicroPython showed nothing"
        light_seen, _ = await board.present(PHONE, 5)
        assert light_seen == "blue", "a number that identifies nobody gets the double flash"
        names = [other for _, other in others]
        for n, uid in enumerate(canaries):
            house.tap(rng.choice(names), uid)
            if n % 50 == 49:
                await asyncio.sleep(0.05)
        return await stored(line, len(canaries) + AT_THE_BOARD + 1)
    finally:
        await board.close()
        await house.stop()


async def opened(doors, timeout_s: float = 90) -> None:
    """Until every lamp is steady blue."""
    async with asyncio.timeout(timeout_s):
        while any(door.lamp.css() != "rgb(0, 0, 255)" for door in doors):  # noqa: ASYNC110 - lamps are looked at
            await asyncio.sleep(0.1)


async def stored(line: Line, wanted: int, timeout_s: float = 300) -> int:
    """Until so many swipes are in the store."""
    engine = create_engine(line.database_url)
    count, deadline = 0, asyncio.get_running_loop().time() + timeout_s
    while count < wanted and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.5)
        with engine.connect() as connection:
            count = connection.execute(text("SELECT count(*) FROM swipe")).scalar_one()
    engine.dispose()
    return count


def speak(line: Line, campus: Campus, folder: Path) -> None:
    """What the line says to whoever asks it, as files: the API, metrics, live views, a person's data, a backup."""
    folder.mkdir()
    token = line.api_token()
    with httpx.Client(base_url=line.url, timeout=60, headers={"Authorization": f"Bearer {token}"}) as http:
        cursor = 0
        while cursor is not None:
            answer = http.get("/api/v1/swipes", params={"limit": 1000, "after": cursor}).raise_for_status()
            (folder / f"swipes-{cursor}.json").write_bytes(answer.content)
            cursor = answer.json()["next"]
        (folder / "metrics").write_bytes(http.get("/metrics").content)
    for path in ("metrics", "live.json"):
        (folder / f"gateway-{path}").write_bytes(httpx.get(f"http://127.0.0.1:{line.gateway_ports[0]}/{path}").content)
    for name, arguments in {
        "backup": ["backup", str(folder / "all.muster-backup")],
        "person": ["person", "export", next(iter(campus.people)).upper()],
        "retention": ["retention", "--dry-run"],
    }.items():
        (folder / f"{name}.txt").write_text(run(arguments, env=line.env))
