"""The fleet's figures: of the whole, of each reader for whoever may; and the dashboard asks for nothing else."""

import json
import re

import pytest

from gateway.counts import METRICS as GATEWAY
from gateway.counts import PREFIX as GATEWAY_PREFIX
from server.fleet import figures
from server.fleet.figures import EACH, METRICS, Line
from server.fleet.watch import Watch
from server.store.engine import writing
from server.store.schema import institution
from tests.server.store_client import Server
from tests.server.store_world import NINE, wrap

NAME = re.compile(r"\bmuster_[a-z_]+")


@pytest.fixture
def server(world):
    world.now_ms = NINE
    return Server(world)


def some(world) -> None:
    """One reader that is there, with a chip that is lost; one that was never heard."""
    board = world.reader("a-1")
    world.reader("a-2", room=1)
    health = {"v": 1, "signal": -71, "chip_losses": 2, "room": 4800, "storage_errors": 1}
    world.deliver(*board.lines, board.hello(roster=NINE - 60_000), board.head(NINE - 60_000), derive=False)
    Watch(world.engine).step(world.now_ms)
    world.deliver(board.head(NINE, able="chip"), wrap(json.dumps(health), reader="a-1", kind="health"), derive=False)
    Watch(world.engine).step(world.now_ms + 10_000)


def test_the_whole_fleet_stands_in_the_metrics_and_no_readers_name(world, server):
    some(world)
    text = server.client.get("/metrics").text
    for wanted in (
        'muster_readers{institution="main",state="connected"} 1',
        'muster_readers{institution="main",state="never"} 1',
        'muster_readers_unable{institution="main"} 1',
        'muster_readers_out{institution="main",kind="chip"} 1',
        "# TYPE muster_readers gauge",
    ):
        assert wanted in text, wanted
    assert "a-1" not in text and "R0" not in text


def test_each_reader_is_for_whoever_may_read_doors(world, server):
    some(world)
    assert server.ask("GET", "/api/v1/fleet/metrics").status_code == 401
    assert server.ask("GET", "/api/v1/fleet/metrics", "lecturer").status_code == 403
    text = server.ask("GET", "/api/v1/fleet/metrics", "technician").text
    labels = 'reader="a-1",room="R0",building="R0"'
    for wanted in (
        f"muster_reader_up{{{labels}}} 1",
        f"muster_reader_able{{{labels}}} 0",
        f"muster_reader_signal_dbm{{{labels}}} -71",
        f'muster_reader_light{{{labels},light="pulse"}} 1',
        f"muster_reader_list_age_seconds{{{labels}}} 60",
        f'muster_reader_info{{{labels},firmware="test"}} 1',
    ):
        assert wanted in text, wanted
    assert 'muster_reader_up{reader="a-2"' in text and 'muster_reader_seen_seconds{reader="a-2"' not in text


def test_every_metric_of_the_list_is_said_and_none_that_is_not_in_it(world, server):
    some(world)
    each = server.ask("GET", "/api/v1/fleet/metrics", "technician").text
    assert {name.removeprefix(figures.PREFIX) for name in NAME.findall(each)} == set(EACH)
    said = {line.split(" ")[2] for line in server.client.get("/metrics").text.splitlines() if line.startswith("# TYPE")}
    assert {figures.PREFIX + name for name in METRICS} - said <= {"muster_reader_alerts"}, "none is on"


def test_the_dashboard_asks_only_for_what_there_is(world, server, repo):
    board = json.loads((repo / "packaging" / "grafana" / "muster-fleet.json").read_text())
    asked = {name for panel in board["panels"] for one in panel["targets"] for name in NAME.findall(one["expr"])}
    asked |= {name for one in board["templating"]["list"] for name in NAME.findall(one["query"])}
    some(world)
    there = set(NAME.findall(server.client.get("/metrics").text))
    there |= {figures.PREFIX + name for name in (*METRICS, *EACH)}
    for name, (kind, _, _) in GATEWAY.items():
        there |= (
            {GATEWAY_PREFIX + name, GATEWAY_PREFIX + name + "_bucket"}
            if kind == "histogram"
            else {GATEWAY_PREFIX + name}
        )
    assert len(asked) > 15 and sorted(asked - there) == []
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_docs_list_the_same_metrics(repo):
    text = (repo / "docs" / "fleet.md").read_text()
    for name, (_, helps) in (METRICS | EACH).items():
        assert f"| `{figures.PREFIX}{name}` | {helps} |" in text, name


def test_an_institutions_name_cannot_break_the_lines(world, server):
    with writing(world.engine) as connection:
        connection.execute(institution.update().values(name='St "X"\nmuster_x'))
    for line in server.client.get("/metrics").text.splitlines():
        assert line.startswith("#") or re.fullmatch(r'muster_\w+(\{(\w+="([^"\\]|\\.)*",?)*\})? [-0-9.e]+', line), line


def test_a_rooms_name_cannot_break_the_lines():
    text = figures.text([Line("reader_up", {"room": 'a"b\\c\nmuster_x 1'}, 1.0)])
    assert text.splitlines()[-1] == 'muster_reader_up{room="a\\"b\\\\c\\nmuster_x 1"} 1'
