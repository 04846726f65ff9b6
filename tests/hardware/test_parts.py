"""The parts lists, the power budget, and that what was made is what the data gives."""

import re

import pytest

from hardware import netlist, pictures, power
from hardware.__main__ import faults, stale, texts
from hardware.pins import MADE, READERS, devices, pins, rows
from hardware.wiring import label

VARIANTS = tuple(READERS.values())


def parts(variant: str) -> list[dict[str, str]]:
    return [row for row in rows("bom.csv") if row["variant"] == variant]


def stands_for(variant: str) -> dict[str, dict[str, str]]:
    """What each name of the drawings is in the parts list: devices by their names, references one by one."""
    found = {}
    for row in parts(variant):
        names = row["stands_for"].split() if re.fullmatch(r"([A-Z]\d ?)+", row["stands_for"]) else [row["stands_for"]]
        found.update({name: row for name in names if name})
    return found


@pytest.mark.parametrize("board", READERS)
def test_every_device_of_the_pins_is_in_the_parts_list_of_its_variant(board):
    named = stands_for(READERS[board])
    assert [device for device in devices(pins(board)) if device not in named] == []
    assert "board" in named


@pytest.mark.parametrize("board", READERS)
def test_every_part_and_header_of_the_carrier_is_in_the_parts_list_with_its_number_and_value(board):
    named, built = stands_for(READERS[board]), netlist.carrier(board)
    for ref in [netlist.BOARD, *built.headers.values(), *(part.ref for part in built.parts)]:
        assert ref in named, ref
    for part in built.parts:
        assert part.value.split(" ")[0] in named[part.ref]["part"], part.ref
    for row in {id(row): row for row in named.values()}.values():
        refs = [name for name, of in named.items() if of is row and re.fullmatch(r"[RCQDJ]\d", name)]
        assert not refs or int(row["quantity"]) == len(refs), row["part"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_of_the_carrier_is_in_the_parts_list_that_is_not_on_it(variant):
    board = next(board for board, reader in READERS.items() if reader == variant)
    built = netlist.carrier(board)
    known = {netlist.BOARD, *built.headers.values(), *(part.ref for part in built.parts)}
    listed = {name for name in stands_for(variant) if re.fullmatch(r"[A-Z]\d", name)}
    assert listed == known


def test_no_price_is_in_the_parts_list():
    assert not any(
        re.search(r"[€$£]|\bprice|\bEUR\b|\bUSD\b|\bGBP\b", " ".join(row.values())) for row in rows("bom.csv")
    )


@pytest.mark.parametrize("board", READERS)
def test_every_device_that_draws_power_is_in_the_budget_on_the_rail_it_is_wired_to(board):
    loads = {row["device"]: row["rail"] for row in rows("power.csv") if row["variant"] == READERS[board]}
    for pin in pins(board):
        if pin.direction == "power" and not pin.plug:
            assert loads[pin.device] == pin.function, pin.signal
    supplies = {"USB supply", "USB-C supply"}
    assert set(loads) == {"board", *devices(pins(board))} - supplies


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_peaks_at_once_leave_a_fifth_of_each_rail(variant):
    rails = power.rails(variant)
    assert [rail.rail for rail in rails] == ["3V3", "5V"]
    assert all(rail.holds for rail in rails), rails


def test_what_hangs_on_3v3_is_drawn_from_5v_as_well():
    low, high = power.rails("door")
    own = sum(float(r["peak_ma"]) for r in rows("power.csv") if r["variant"] == "door" and r["rail"] == "5V")
    assert high.peak_ma == pytest.approx(own + low.peak_ma * 3.3 / 5 / power.EFFICIENCY)


@pytest.mark.parametrize("name", ["power.csv", "supplies.csv", "case/sizes.csv", "functions.csv", "headers.csv"])
def test_every_figure_has_its_source(name):
    assert all(row["source"].strip() for row in rows(name))


def test_a_figure_is_published_computed_or_said_to_be_assumed():
    assert {row["basis"] for row in rows("power.csv")} <= {"published", "computed", "assumed"}


@pytest.mark.parametrize(
    "name", ["pins.csv", "devices.csv", "carrier.csv", "bom.csv", "power.csv", "supplies.csv", "case/sizes.csv"]
)
def test_every_row_has_as_many_fields_as_the_first_line_names(name):
    assert all(None not in row and None not in row.values() for row in rows(name))


def test_what_was_made_is_what_the_data_gives():
    assert faults() == []
    assert stale() == [], "run `python -m hardware`"


def test_every_picture_that_the_command_makes_was_made():
    wanted = {
        f"{name}-{what}" for name in VARIANTS for what in ("wiring.svg", "schematic.svg", "base.stl", "front.stl")
    }
    wanted |= {f"{name}-{view}.png" for name in VARIANTS for view in ("open", "closed", "behind")}
    assert wanted == set(pictures.sources())
    assert wanted | {path.name for path in [*texts(), pictures.LEDGER]} == {path.name for path in MADE.iterdir()}
    assert sum(path.stat().st_size for path in MADE.iterdir()) < 2_000_000


@pytest.mark.parametrize("board", READERS)
def test_a_diagram_shows_every_wire_with_its_pin(board):
    drawn = (MADE / f"{READERS[board]}-wiring.svg").read_text()
    labels = set(re.findall(r">([^<>]+)</text>", drawn.replace("&#45;", "-")))
    for pin in pins(board):
        assert {pin.pin, pin.device, pin.device_pin} <= labels, pin.signal


def test_the_drawing_tools_lock_holds_what_is_asked_for_with_hashes_and_names_no_index(repo):
    asked = re.findall(r"^([a-z]+==[\d.]+)$", (repo / "requirements/hardware.in").read_text(), re.M)
    lock = (repo / "requirements/hardware.lock").read_text()
    assert asked and all(re.search(rf"^{re.escape(one)} \\\n    --hash=sha256:", lock, re.M) for one in asked)
    assert not re.sub(
        r"^[a-z0-9._-]+==[^\n]*\n|^    --hash=sha256:[0-9a-f]{64}(?: \\)?\n", "", lock, flags=re.M
    ).strip()


def test_no_picture_is_older_than_what_it_is_drawn_from():
    assert pictures.LEDGER.read_text("utf-8") == pictures.ledger(), "run `make hardware`"


@pytest.mark.parametrize("board", READERS)
def test_a_schematic_shows_every_pin_and_every_part_with_its_value(board):
    drawn = (MADE / f"{READERS[board]}-schematic.svg").read_text()
    said = {" ".join(text.split()) for text in re.findall(r">([^<>]+)<", drawn)}
    built = netlist.carrier(board)
    assert {f"{label(wire)} ({wire.pin})" for wire in built.wires} <= said
    assert {f"{built.header_pin(wire)}: {wire.device_pin}" for wire in built.wires} <= said
    for part in built.parts:
        assert {f"{part.ref} {part.value}"} <= said or {part.ref, part.value} <= said, part.ref
