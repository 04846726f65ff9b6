"""The cases: `case/*.toml` says where each part lies, `case/sizes.csv` how large it is; here it is seen whether all of it fits.

A case is a base and a front. The values go into a file that OpenSCAD reads before `case/case.scad`; no size is written twice.
"""

import tomllib
from dataclasses import dataclass
from itertools import combinations

from hardware.pins import HERE, rows

Point = tuple[float, float, float]
CASES = ("door", "kiosk")
#: What a card is read through, mm at most; and how far behind it the antenna may lie.
READ_THROUGH_MM, READ_BEHIND_MM = 2.5, 1.0
#: A boss beside a board behind the front (diameter, mm) and how far it stands off the board's edge.
BOSS_MM, BOSS_OFF_MM = 7.0, 0.5
#: The front's rim: how deep it reaches into the base and how thick it is, with the printer's gap (case.scad has the same).
LIP_MM, RIM_MM = 3.0, 1.9
#: Between two openings of a face stands at least so much, mm.
WEB_MM = 2.0
COLOURS = (
    "SteelBlue",
    "Peru",
    "SeaGreen",
    "IndianRed",
    "MediumPurple",
    "Goldenrod",
    "CadetBlue",
    "Sienna",
    "DarkKhaki",
)


@dataclass(frozen=True, kw_only=True)
class Box:
    """Something with a place and a size, mm, in the inner room's corner's coordinates."""

    name: str
    at: Point
    size: Point
    #: standoffs, front, column, air; or post, boss
    on: str
    holes: tuple[tuple[float, float], ...] = ()
    pilot: float = 0.0
    #: where a part behind the front is held by its washers: mm behind the front (0: at its back)
    held: float = 0.0

    def end(self, axis: int) -> float:
        """Where it ends along an axis."""
        return self.at[axis] + self.size[axis]

    def meets(self, other: "Box", clearance: float) -> bool:
        """Whether the two are nearer to each other than that, on every axis."""
        return all(
            self.at[axis] < other.end(axis) + clearance - 1e-9 and other.at[axis] < self.end(axis) + clearance - 1e-9
            for axis in range(3)
        )


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A hole in a face: `at` its middle, in the face's own two coordinates (back and front: x, y; bottom and top: x, z)."""

    face: str
    at: tuple[float, float]
    size: tuple[float, float]
    round: bool
    of: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case. Lengths in mm."""

    name: str
    inner: Point
    wall: float
    floor: float
    front: float
    post: float
    post_pilot: float
    clearance: float
    parts: tuple[Box, ...]
    openings: tuple[Opening, ...]

    @property
    def posts(self) -> tuple[Box, ...]:
        """The corner posts, which take the front's screws."""
        x, y, z = self.inner
        return tuple(
            Box(name="post", at=(left, low, 0.0), size=(self.post, self.post, z), on="post")
            for left in (0.0, x - self.post)
            for low in (0.0, y - self.post)
        )

    def bosses(self, part: Box) -> tuple[Box, ...]:
        """The two bosses that hold a board behind the front, left and right of it, as high as the board."""
        if part.on != "front" or part.size[0] <= 10:
            return ()
        middle = part.at[1] + part.size[1] / 2 - BOSS_MM / 2
        height = part.held or self.inner[2] - part.at[2]
        left, right = part.at[0] - BOSS_OFF_MM - BOSS_MM, part.end(0) + BOSS_OFF_MM
        return tuple(
            Box(
                name=f"boss of {part.name}",
                at=(x, middle, self.inner[2] - height),
                size=(BOSS_MM, BOSS_MM, height),
                on="boss",
            )
            for x in (left, right)
        )


def _point(values: list[float]) -> Point:
    x, y, z = map(float, values)
    return x, y, z


def _pair(values: list[float]) -> tuple[float, float]:
    x, y = map(float, values)
    return x, y


def case(name: str) -> Case:
    """`case/NAME.toml` with the sizes of its parts. Raises KeyError for a part without a size."""
    data = tomllib.loads((HERE / "case" / f"{name}.toml").read_text("utf-8"))
    sizes = {row["part"]: _point([float(row[f"{axis}_mm"]) for axis in "xyz"]) for row in rows("case/sizes.csv")}
    parts = tuple(
        Box(
            name=part["name"],
            at=_point(part["at"]),
            size=sizes[part["name"]],
            on=part["on"],
            holes=tuple((float(x), float(y)) for x, y in part.get("holes", [])),
            pilot=float(part.get("pilot", 0)),
            held=float(part.get("held", 0)),
        )
        for part in data["part"]
    )
    openings = tuple(
        Opening(
            face=hole["face"],
            at=(hole["at"][0] + place * step, float(hole["at"][1])),
            size=_pair(hole.get("size", [hole.get("round", 0)] * 2)),
            round="round" in hole,
            of=hole["of"],
        )
        for hole in data["opening"]
        for count, step in [hole.get("repeat", [1, 0])]
        for place in range(count)
    )
    numbers = {key: float(data[key]) for key in ("wall", "floor", "front", "post", "post_pilot", "clearance")}
    return Case(name=name, inner=_point(data["inner"]), parts=parts, openings=openings, **numbers)


def faults(case: Case) -> list[str]:
    """What does not fit, in words; nothing when all is well."""
    found = []
    solid = [*case.parts, *case.posts, *(boss for part in case.parts for boss in case.bosses(part))]
    for box in (box for box in solid if box.on != "post"):
        for axis, name in enumerate("xyz"):
            # What is fixed to the front or pressed by it may touch it.
            touches = axis == 2 and box.on in ("front", "column", "boss")
            room = 0.0 if touches else case.clearance
            if box.at[axis] < case.clearance - 1e-9 or box.end(axis) > case.inner[axis] - room + 1e-9:
                found.append(f"{box.name} is outside the inner room along {name}")
        x, y, z = case.inner
        if box.end(2) > z - LIP_MM and (
            min(box.at[0], box.at[1]) < RIM_MM or box.end(0) > x - RIM_MM or box.end(1) > y - RIM_MM
        ):
            found.append(f"{box.name} is in the way of the front's rim")
    for one, other in combinations(solid, 2):
        if "post" in (one.on, other.on) and one.on == other.on:
            continue
        if f"boss of {other.name}" == one.name or f"boss of {one.name}" == other.name:
            continue
        if one.meets(other, case.clearance):
            found.append(f"{one.name} meets {other.name}")
    return found + _opening_faults(case)


def _opening_faults(case: Case) -> list[str]:
    found = [
        f"the openings of {one.of} and {other.of} meet"
        for one, other in combinations(case.openings, 2)
        if one.face == other.face
        and all(abs(one.at[i] - other.at[i]) < (one.size[i] + other.size[i]) / 2 + WEB_MM for i in (0, 1))
    ]
    named = {part.name: part for part in case.parts}
    for hole in case.openings:
        across = 1 if hole.face in ("front", "back") else 2
        limits = (case.inner[0], case.inner[across])
        if any(hole.at[i] - hole.size[i] / 2 < 0 or hole.at[i] + hole.size[i] / 2 > limits[i] for i in (0, 1)):
            found.append(f"the opening of {hole.of} leaves the {hole.face}")
        part = named.get(hole.of)
        if part is not None and any(
            hole.at[i] - hole.size[i] / 2 < part.at[i] - 1e-9 or hole.at[i] + hole.size[i] / 2 > part.end(i) + 1e-9
            for i in (0, 1)
        ):
            found.append(f"the opening of {hole.of} is not in front of it")
        for post in case.posts:
            if hole.face in ("front", "back") and all(
                hole.at[i] - hole.size[i] / 2 < post.end(i) and hole.at[i] + hole.size[i] / 2 > post.at[i]
                for i in (0, 1)
            ):
                found.append(f"the opening of {hole.of} cuts a post")
    antenna = named["PN532"]
    if case.front > READ_THROUGH_MM or case.inner[2] - antenna.end(2) > READ_BEHIND_MM:
        found.append("the antenna is too far behind the front to read a card")
    lit = [hole for hole in case.openings if hole.of == "RGB light"]
    if not any(hole.round and hole.size[0] >= 5.0 for hole in lit):
        found.append("the light has no hole of 5 mm")
    return found


def scad(case: Case) -> str:
    """The values of a case and the line that draws it, as OpenSCAD reads them."""
    lines = [f"// Made by `python -m hardware` from case/{case.name}.toml and case/sizes.csv."]
    lines += ['show = "closed";', f"inner = {_vector(case.inner)};"]
    lines += [f"{key} = {getattr(case, key):g};" for key in ("wall", "floor", "front", "post", "post_pilot")]
    lines += ["// name, place, size, on, holes, pilot, bosses (x, y, height), colour", "parts = ["]
    for place, part in enumerate(case.parts):
        bosses = [(boss.at[0] + BOSS_MM / 2, boss.at[1] + BOSS_MM / 2, boss.size[2]) for boss in case.bosses(part)]
        fields = [f'"{part.name}"', _vector(part.at), _vector(part.size), f'"{part.on}"']
        fields += [f"[{', '.join(map(_vector, part.holes))}]", f"{part.pilot:g}"]
        fields += [f"[{', '.join(map(_vector, bosses))}]", f'"{COLOURS[place % len(COLOURS)]}"']
        lines.append(f"    [{', '.join(fields)}],")
    lines += ["];", "// face, middle, size, round", "openings = ["]
    for hole in case.openings:
        shape = "true" if hole.round else "false"
        lines.append(f'    ["{hole.face}", {_vector(hole.at)}, {_vector(hole.size)}, {shape}],')
    lines += ["];", "include <../case/case.scad>"]
    return "\n".join(lines) + "\n"


def _vector(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{value:g}' for value in values)}]"
