"""A Pico W on a wall and the institution's next authority, as docs/trust.md says it: a new reader in its place, on the same
board, and then the turn and the end of the one before. The board is the real MicroPython, the broker a real Mosquitto."""

import asyncio
from datetime import UTC, datetime

import pytest
from cryptography import x509

from server.store import turning
from server.store.engine import reading
from simulator.pn532_card import Card
from simulator.processes import PartFailed, run
from tests.server.store_world import UIDS
from tests.system.provisioned_line import Line, blank_door, provisioned


@pytest.mark.proof
@pytest.mark.rule("PORT-1", "PORT-3")
@pytest.mark.timeout(400)
@pytest.mark.long(150)
@pytest.mark.needs("mosquitto", "micropython")
async def test_a_pico_goes_to_the_next_authority_as_a_new_reader_and_no_tap_of_before_is_lost(tmp_path):
    with Line(tmp_path, students=4) as line:
        door, cables = blank_door(line)
        students = line.world.students
        try:
            _, done = await provisioned(line, door, cables)
            assert done.status == 0, done.said
            await tapped(line, door, cables, students[:1])

            assert "1 readers do not know it yet" in await said(line, "ca", "next")
            await turned_round(line)
            await tapped(line, door, cables, students[:2])
            assert await refused(line) == ["r0"], "it has the account that it was given, and not the next authority"

            # Its journal is of r0: it must have delivered before.
            token = await asyncio.to_thread(line.token, "--swap", "r0")
            kept = await asyncio.to_thread(line.provision, cables[0].cable, token)
            assert kept.status == 1 and "[board-taken]" in kept.said, kept.said
            shown = door.chip.card_in(Card(uid=b"\x04\xff\xee\xdd"))
            again = await asyncio.to_thread(line.provision, cables[0].cable, token, "--wipe")
            door.chip.card_out(shown)
            assert again.status == 0 and "r0-2 is ready" in again.said, again.said
            assert "r0 serves this door no more" in again.said

            assert await refused(line) == ["r0"], "the old name is counted until it is revoked"
            await said(line, "reader", "revoke", "r0", "--since", now(), "--why", "replaced")
            assert "Every reader knows it" in await said(line, "ca", "show")
            await said(line, "ca", "turn")
            await turned_round(line)
            assert issued_by_the_next(line)
            await tapped(line, door, cables, students[:3])

            await said(line, "ca", "end", "--force")
            await turned_round(line)
            assert (line.broker / "ca.crt").read_bytes().count(b"BEGIN CERTIFICATE") == 1
            await tapped(line, door, cables, students[:4])
        finally:
            await door.close()


async def tapped(line: Line, door, cables, credited) -> None:
    """The last of these taps, and then all of them are credited in the session."""
    await ready(cables)
    light, _ = await door.present(UIDS[line.world.students.index(credited[-1])], 60.0)
    assert light == "green", cables[0].cable.said.decode("utf-8", "replace")
    for _ in range(900):
        if {(one, person) for one, person, _, _ in line.world.credits()} == {(line.session, one) for one in credited}:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{line.world.credits()}\n{cables[0].cable.said!r}")


async def ready(cables) -> None:
    """Its chip has answered since its last start."""
    for _ in range(200):
        if b'"chip-ready"' in cables[0].cable.said.rpartition(b'"boot"')[2]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(cables[0].cable.said.decode("utf-8", "replace"))


async def turned_round(line: Line) -> None:
    """`muster broker config` again, carried again, and what reads it started again."""
    await asyncio.to_thread(line.configure)
    await asyncio.to_thread(line.restart, "broker", "agent", "gateway")


async def said(line: Line, *words: str) -> str:
    """What a command printed. In a thread: the chip answers from this one, and a board that waits for it gives it up."""
    return await asyncio.to_thread(run, words, env=line.env)


async def refused(line: Line) -> list[str]:
    """Whom `muster ca turn` refuses for."""
    with pytest.raises(PartFailed, match="ca-unknown"):
        await said(line, "ca", "turn")
    with reading(line.world.engine) as connection:
        beside = turning.beside(connection, line.world.institution_id)
        assert beside is not None and beside.turned_ms is None
        return turning.unaware_of(connection, line.world.institution_id, beside.certificate)


def issued_by_the_next(line: Line) -> bool:
    shown = x509.load_pem_x509_certificate((line.broker / "broker.crt").read_bytes())
    with reading(line.world.engine) as connection:
        signs, _before = turning.trusted(connection, line.world.institution_id)
    shown.verify_directly_issued_by(x509.load_der_x509_certificate(signs))
    return True


def now() -> str:
    return datetime.now(UTC).isoformat()
