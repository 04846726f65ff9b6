"""The spool on real SQLite: over aiosqlite as in service, and inline as in the tests with virtual time."""

import asyncio
import sqlite3

import pytest

from gateway.arrival import arrivals
from gateway.errors import SpoolError
from gateway.spool import Spool
from gateway.testing import InlineConnection, inline_spool

LANE = "main/a-101/9f8e7d6c5b4a3210"


@pytest.fixture(params=["aiosqlite", "inline"])
async def spool(request, tmp_path):
    made = Spool.at(tmp_path / "s") if request.param == "aiosqlite" else inline_spool(tmp_path / "s")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def put(lines):
    async def put(spool, *seqs, reader="a-101", at_ms=1000):
        found = [arrivals(lines.topic(reader), lines.message(lines.swipe(reader, seq)), at_ms)[0] for seq in seqs]
        return await spool.put([(a, "matched") for a in found], at_ms)

    return put


async def test_what_was_put_is_there_after_opening_it_again(tmp_path, put, lines):
    first = Spool.at(tmp_path / "s")
    await first.open()
    await put(first, 0, 1)
    await first.close()
    second = Spool.at(tmp_path / "s")
    await second.open()
    rows = await second.oldest([LANE], 10, 1, ())
    await second.close()
    assert [(row.line, row.seq, row.judged) for row in rows] == [(lines.swipe(seq=n), n, "matched") for n in (0, 1)]


async def test_the_same_again_is_one_row(spool, put):
    assert await put(spool, 0, 1) == 2
    assert await put(spool, 0, 1, at_ms=5) == 0
    assert (await spool.depth()).pending == 2


async def test_what_comes_again_after_it_was_forwarded_is_pending_again(spool, put):
    await put(spool, 0)
    [row] = await spool.oldest([LANE], 10, 1, ())
    await spool.done([row.n], 7)
    assert (await spool.depth()).pending == 0
    await put(spool, 0)
    assert (await spool.depth()).pending == 1


async def test_only_the_newest_hellos_and_statuses_wait_and_none_is_kept(spool, lines):
    for n in range(40):
        hello = arrivals(lines.topic(kind="hello"), lines.message(lines.hello(nonce=f"{n:016x}")), n)
        status = arrivals(lines.topic(kind="status"), b'{"v":1,"state":"online"}', n)
        await spool.put([(a, None) for a in hello + status], n)
    rows = await spool.passing(100, 1, ())
    assert [row.kind for row in rows].count("status") == 1
    assert [row.line for row in rows if row.kind == "hello"] == [
        lines.hello(nonce=f"{n:016x}") for n in range(39, 23, -1)
    ]
    await spool.done([row.n for row in rows], 1)
    assert ((await spool.depth()).pending, await spool.kept()) == (0, 0)


async def test_a_replay_queues_exactly_the_range_that_was_asked_for(spool, put):
    await put(spool, *range(10))
    rows = await spool.oldest([LANE], 10, 1, ())
    await spool.done([row.n for row in rows], 7)
    assert await spool.again(LANE, 3, 5) == 3
    assert [row.seq for row in await spool.oldest([LANE], 10, 1, ())] == [3, 4, 5]


async def test_pruning_takes_forwarded_rows_of_that_age_only(spool, put):
    await put(spool, 0, 1, 2)
    rows = await spool.oldest([LANE], 2, 1, ())
    await spool.done([rows[0].n], 100)
    await spool.done([rows[1].n], 200)
    assert await spool.prune(150) == 1
    assert ((await spool.depth()).pending, await spool.kept()) == (1, 1)


async def test_a_refused_row_is_kept_seen_and_due_again_later(spool, put):
    await put(spool, 0)
    [row] = await spool.oldest([LANE], 1, 1, ())
    await spool.later([row.n], 500, "store-refused-400")
    assert await spool.oldest([LANE], 1, 499, ()) == []
    assert (await spool.depth()).refused == 1
    assert [r.tries for r in await spool.oldest([LANE], 1, 500, ())] == [1]
    await spool.done([row.n], 500)
    assert (await spool.depth()).refused == 0


async def test_lanes_are_found_without_reading_their_backlog_and_rows_in_flight_are_left_out(spool, put):
    await put(spool, *range(30))
    await put(spool, 0, reader="b-202")
    lanes = await spool.lanes()
    assert [name for name, _ in lanes] == [LANE, "main/b-202/9f8e7d6c5b4a3210"]
    rows = await spool.oldest([LANE], 2, 1, ())
    more = await spool.oldest([LANE], 2, 1, [row.n for row in rows])
    assert [row.seq for row in rows + more] == [0, 1, 2, 3]
    assert [row.seq for row in await spool.newest([LANE], 2, 1, (), 0)] == [28, 29]
    assert await spool.newest([LANE], 2, 1, (), 1001) == []


async def test_a_look_reads_what_is_pending_and_nothing_of_what_is_kept(tmp_path, put):
    steps = {}
    for kept in (10, 1000):
        connections = []
        spool = inline_spool(tmp_path / f"s{kept}", connections.append)
        await spool.open()
        await put(spool, *range(kept))
        rows = await spool.oldest([LANE], kept, 1, ())
        await spool.done([row.n for row in rows], 7)
        await put(spool, kept, kept + 1)
        count = steps[kept] = []
        for one in connections:
            one._connection.set_progress_handler(lambda count=count: count.append(1), 1)
        found = [row.seq for row in await spool.oldest([LANE], 9, 1, ()) + await spool.newest([LANE], 9, 1, (), 0)]
        assert (found, await spool.passing(9, 1, ())) == ([kept, kept + 1] * 2, [])
        assert ([name for name, _ in await spool.lanes()], await spool.is_empty()) == ([LANE], False)
        assert (await spool.depth()).pending == 2
        await spool.close()
    assert 0 < len(steps[1000]) == len(steps[10])


async def test_lanes_are_read_again_after_each_write_and_only_then(tmp_path, put):
    connections = []
    spool = inline_spool(tmp_path / "s", connections.append)
    await spool.open()
    reads = []
    for one in connections:
        one._connection.set_trace_callback(lambda sql: reads.append(sql) if "lane (name)" in sql else None)
    assert (await spool.lanes(), await spool.lanes(), len(reads)) == ([], [], 1)
    await put(spool, 0, 1)
    [lane] = await spool.lanes()
    (await spool.lanes()).clear()  # the caller's own list
    assert (await spool.lanes(), len(reads)) == ([lane], 2)
    rows = await spool.oldest([LANE], 10, 1, ())
    await spool.done([row.n for row in rows], 7)
    assert (await spool.lanes(), len(reads)) == ([], 3)
    await spool.again(LANE, 1, 1)
    assert (await spool.lanes(), len(reads)) == ([(LANE, rows[1].n)], 4)
    await spool.close()


async def test_lanes_that_were_read_while_a_write_was_under_way_are_not_kept(tmp_path, put):
    connections = []
    spool = inline_spool(tmp_path / "s", connections.append)
    await spool.open()
    first = connections[0].execute_fetchall

    async def slow(sql, parameters=None):
        rows = await first(sql, parameters)
        await put(spool, 0)
        return rows

    connections[0].execute_fetchall = slow
    assert await spool.lanes() == []
    connections[0].execute_fetchall = first
    assert [name for name, _ in await spool.lanes()] == [LANE]
    await spool.close()


async def test_who_reads_while_a_commit_is_under_way_waits_for_no_sync_and_sees_nothing_of_it(tmp_path, put):
    connections = []
    spool = inline_spool(tmp_path / "s", connections.append)
    await spool.open()
    synced, begun = asyncio.Event(), asyncio.Event()
    first = connections[0].execute

    async def slow(sql, parameters=None):
        if sql == "COMMIT":
            begun.set()
            await synced.wait()
        return await first(sql, parameters)

    connections[0].execute = slow
    writing = asyncio.create_task(put(spool, 0))
    await begun.wait()
    assert await spool.lanes() == []
    assert not writing.done()
    synced.set()
    await writing
    assert [name for name, _ in await spool.lanes()] == [LANE]
    await spool.close()


async def test_a_commit_that_failed_is_no_reason_to_keep_lanes(tmp_path, put):
    connections = []
    spool = inline_spool(tmp_path / "s", connections.append)
    await spool.open()
    assert await spool.lanes() == []
    connections[0].broken = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(SpoolError):
        await put(spool, 0)
    # Whether it is in the file is not known by its error: the file says.
    raw = sqlite3.connect(tmp_path / "s")
    raw.execute(
        "INSERT INTO spool (id, lane, seq, kind, passing, line, raw, topic, received_ms)"
        " VALUES (x'00', ?, 0, 'record', 0, '', x'', '', 0)",
        (LANE,),
    )
    raw.commit()
    raw.close()
    assert [name for name, _ in await spool.lanes()] == [LANE]
    await spool.close()


async def test_writes_that_come_together_are_one_commit(tmp_path, put):
    connections = []
    spool = inline_spool(tmp_path / "s", connections.append)
    await spool.open()
    commits = []
    connections[0]._connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    async with spool._lock:  # a commit is under way
        tasks = [asyncio.create_task(put(spool, n)) for n in range(20)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert len(commits) == 1
    assert (await spool.depth()).pending == 20
    await spool.close()


async def test_a_commit_that_fails_leaves_nothing_and_the_next_goes_through(tmp_path, put):
    connections = []
    spool = inline_spool(tmp_path / "s", connections.append)
    await spool.open()
    connections[0].broken = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(SpoolError, match="disk"):
        await put(spool, 0)
    assert await put(spool, 0) == 1
    assert (await spool.depth()).pending == 1
    await spool.close()


async def test_a_write_that_is_cancelled_leaves_the_others_alone(spool, put):
    tasks = [asyncio.create_task(put(spool, n)) for n in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for n in range(5):
        await put(spool, n)
    assert (await spool.depth()).pending == 5


async def test_a_spool_that_is_not_durable_is_refused_by_code(tmp_path):
    class Careless(InlineConnection):
        # A build of SQLite that does not do what it is told.
        async def execute_fetchall(self, sql, parameters=None):
            return [(1,)] if sql == "PRAGMA synchronous" else await super().execute_fetchall(sql, parameters)

    async def connect():
        return Careless(tmp_path / "s")

    with pytest.raises(SpoolError) as caught:
        await Spool(connect).open()
    assert caught.value.code == "spool-not-durable"


async def test_a_folder_that_is_not_there_and_a_damaged_file_are_said_by_code(tmp_path):
    with pytest.raises(SpoolError) as caught:
        await Spool.at(tmp_path / "none" / "s").open()
    assert caught.value.code == "spool-unopenable"
    (tmp_path / "bad").write_bytes(b"not a database at all" * 100)
    with pytest.raises(SpoolError) as caught:
        await Spool.at(tmp_path / "bad").open()
    assert caught.value.code == "spool-corrupt"


async def test_every_connection_of_the_spool_syncs_at_each_commit(tmp_path, put):
    connections = []
    spool = inline_spool(tmp_path / "s", connections.append)
    await spool.open()
    await put(spool, 0)
    connections[0].broken = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(SpoolError):
        await put(spool, 1)
    await put(spool, 1)  # over connections that were opened after the fault
    assert len(connections) == 4
    for connection in connections[2:]:
        assert await connection.execute_fetchall("PRAGMA synchronous") == [(2,)], "FULL, or a power cut takes it back"
        assert await connection.execute_fetchall("PRAGMA journal_mode") == [("wal",)]
    await spool.close()


async def test_after_a_commit_that_failed_the_file_is_opened_anew(tmp_path, put):
    connections = []
    spool = inline_spool(tmp_path / "s", connections.append)
    await spool.open()
    await put(spool, 0)
    connections[0].broken = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(SpoolError):
        await put(spool, 1)
    connections[0].broken = None  # it would say yes again, and nobody knows to what
    assert await put(spool, 1) == 1
    assert len(connections) == 4, "the connection whose commit failed is used again"
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        await connections[0].execute_fetchall("SELECT 1")
    await spool.close()
