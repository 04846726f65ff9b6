"""The cases: everything fits with room to spare, and what does not is found. OpenSCAD is not needed."""

import re
import shutil
import struct
import subprocess
from dataclasses import replace

import pytest

from hardware import enclosure, pictures
from hardware.pins import MADE, rows

SCAD = ("inner", "wall", "floor", "front", "post", "post_pilot", "parts", "openings", "show")


@pytest.fixture(params=enclosure.CASES)
def case(request) -> enclosure.Case:
    return enclosure.case(request.param)


def moved(case: enclosure.Case, name: str, **change) -> enclosure.Case:
    return replace(case, parts=tuple(replace(p, **change) if p.name == name else p for p in case.parts))


def test_everything_fits_in_its_case(case):
    assert enclosure.faults(case) == []


def test_every_part_that_must_be_inside_is_in_the_case(case):
    inside = {part.name for part in case.parts}
    need = {"door": {"door carrier", "PN532", "RGB light"}}
    need["kiosk"] = {
        "Pi 4 with carrier",
        "PN532",
        "RGB light",
        "fingerprint sensor",
        "display",
        "NMEA receiver",
        "lid switch",
    }
    assert need[case.name] <= inside


def test_every_size_is_used_and_every_board_stands_on_its_holes(case):
    used = {part.name for name in enclosure.CASES for part in enclosure.case(name).parts}
    assert {row["part"] for row in rows("case/sizes.csv")} - used == {"Pico W"}
    for part in case.parts:
        assert (part.on == "standoffs") == bool(part.holes)
        assert all(0 < x < part.size[0] and 0 < y < part.size[1] for x, y in part.holes)


def test_the_pico_fits_on_its_carrier():
    sizes = {row["part"]: row for row in rows("case/sizes.csv")}
    assert all(float(sizes["Pico W"][f"{axis}_mm"]) < float(sizes["door carrier"][f"{axis}_mm"]) for axis in "xyz")


def test_a_card_at_the_antenna_leaves_the_light_to_be_seen(case):
    # A card is 85.60 x 53.98 mm (ISO/IEC 7810, ID-1); it is held with its middle at the antenna's, along either axis.
    named = {part.name: part for part in case.parts}
    chip, light = named["PN532"], named["RGB light"]
    away = [abs(light.at[i] + light.size[i] / 2 - chip.at[i] - chip.size[i] / 2) for i in (0, 1)]
    assert away[0] > 85.60 / 2 or away[1] > 53.98 / 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: moved(c, "PN532", at=(-1.0, 9.0, c.inner[2] - 5.5)), "PN532 is outside the inner room along x"),
        (lambda c: moved(c, "PN532", at=(0.0, 0.0, c.inner[2] - 5.5)), "PN532 meets post"),
        (lambda c: moved(c, "PN532", at=(12.0, 9.0, 10.0)), "the antenna is too far behind the front"),
        (lambda c: replace(c, front=3.0), "the antenna is too far behind the front"),
        (lambda c: replace(c, inner=(c.inner[0], c.inner[1], c.inner[2] - 5)), "is outside the inner room along z"),
        (lambda c: moved(c, "RGB light", at=(1.0, 60.0, 1.0)), "the opening of RGB light is not in front of it"),
        (lambda c: replace(c, openings=()), "the light has no hole"),
        (lambda c: replace(c, openings=(replace(c.openings[0], at=(2.0, 2.0)), *c.openings[1:])), "cuts a post"),
        (lambda c: replace(c, openings=(replace(c.openings[0], at=(1.0, 60.0)), *c.openings[1:])), "leaves the front"),
    ],
)
def test_what_does_not_fit_is_found(case, change, says):
    assert any(says in fault for fault in enclosure.faults(change(case)))


def test_openings_that_leave_no_web_between_them_are_found(case):
    first = case.openings[0]
    near = replace(first, of="another", at=(first.at[0] + first.size[0] + 1.0, first.at[1]))
    found = enclosure.faults(replace(case, openings=(*case.openings, near)))
    assert f"the openings of {first.of} and another meet" in found


def test_two_parts_in_one_place_are_found(case):
    first, second = case.parts[:2]
    assert f"{first.name} meets {second.name}" in enclosure.faults(moved(case, second.name, at=first.at))


def test_the_values_that_openscad_reads_are_those_of_the_case(case):
    text = enclosure.scad(case)
    assert set(re.findall(r"^(\w+) = ", text, re.M)) == set(SCAD)
    assert f"inner = [{', '.join(f'{x:g}' for x in case.inner)}];" in text
    assert re.findall(r'^    \["([^"]+)", \[', text, re.M)[: len(case.parts)] == [p.name for p in case.parts]


def test_every_value_that_the_drawing_uses_is_given_or_its_own(repo):
    text = (repo / "hardware/case/case.scad").read_text()
    used = set(
        re.findall(r"\b(inner|wall|floor|front|post|post_pilot|parts|openings|show)\b", re.sub(r"//.*", "", text))
    )
    assert used == set(SCAD)


def test_the_rim_of_the_front_is_as_the_drawing_has_it(repo):
    text = (repo / "hardware/case/case.scad").read_text()
    lip, gap = (float(re.search(rf"^{name} = ([\d.]+);", text, re.M)[1]) for name in ("lip", "lip_gap"))
    assert lip == enclosure.LIP_MM
    assert gap + 1.6 <= enclosure.RIM_MM


@pytest.mark.parametrize("piece", pictures.PRINTED)
def test_a_printed_piece_is_as_large_as_its_case_and_closed(case, piece):
    data = (MADE / f"{case.name}-{piece}.stl").read_bytes()
    (count,) = struct.unpack_from("<I", data, 80)
    assert len(data) == 84 + 50 * count
    triangles = [struct.unpack_from("<9f", data, 84 + 50 * i + 12) for i in range(count)]
    corners = [tuple(t[i : i + 3]) for t in triangles for i in (0, 3, 6)]
    across = [max(c[axis] for c in corners) - min(c[axis] for c in corners) for axis in (0, 1)]
    assert across == pytest.approx([case.inner[0] + 2 * case.wall, case.inner[1] + 2 * case.wall], abs=0.01)
    # Closed: every edge is there once in each direction.
    edges: dict = {}
    for t in triangles:
        points = [tuple(round(x, 3) for x in t[i : i + 3]) for i in (0, 3, 6)]
        for one, other in ((0, 1), (1, 2), (2, 0)):
            edges[points[one], points[other]] = edges.get((points[one], points[other]), 0) + 1
    assert all(edges.get((b, a)) == number for (a, b), number in edges.items())


def test_a_triangle_as_text_is_the_same_triangle_in_binary():
    text = "solid x\n facet normal 0 0 1\n  outer loop\n   vertex 0 0 0\n   vertex 1e1 0 0\n   vertex 0 2.5 0\n  endloop\n endfacet\n"
    data = pictures.binary_stl(text)
    assert struct.unpack_from("<I12fH", data, 80) == (1, 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 2.5, 0, 0)


def test_openscad_reads_the_case(case, tmp_path):
    program = shutil.which("openscad")
    if program is None:
        pytest.skip("needs openscad, which only `make hardware` uses: the case was not drawn")
    done = subprocess.run(
        [program, "-o", str(tmp_path / "case.csg"), str(MADE / f"case-{case.name}.scad")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
