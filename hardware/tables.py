"""The tables for people, in Markdown, made from the CSV files: pins, parts, power, the case."""

from hardware import enclosure, netlist, power
from hardware.pins import NAMES, READERS, pins, rows

HEAD = "<!-- Made by `python -m hardware` from the CSV and TOML files of this folder. -->"


def table(heads: list[str], lines: list[list[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {' | '.join(line)} |" for line in lines)]


def page(board: str) -> str:
    """All tables of one variant as one page."""
    variant = READERS[board]
    title = {"door": "The door reader in tables", "kiosk": "The kiosk in tables"}[variant]
    parts = [HEAD, f"# {title}", _pins(board), _headers(board), _parts(variant), _power(variant), _case(variant)]
    return "\n\n".join(part if isinstance(part, str) else "\n".join(part) for part in parts) + "\n"


def _pins(board: str) -> list[str]:
    lines = [
        [
            wire.pin,
            f"GP{wire.gpio}" if wire.gpio is not None else wire.function,
            wire.function,
            f"`{wire.signal}`",
            wire.device,
            wire.device_pin,
            wire.colour or "-",
            wire.note,
        ]
        for wire in pins(board)
    ]
    heads = ["pin", "name", "function", "signal", "device", "its pin", "wire", "note"]
    return [f"## Pins of the {NAMES[board]}", "", *table(heads, lines)]


def _headers(board: str) -> list[str]:
    built = netlist.carrier(board)
    lines = []
    for device, header in built.headers.items():
        ends = [wire for wire in built.wires if wire.device == device]
        lines.append([header, device, ", ".join(f"{built.header_pin(wire)} {wire.device_pin}" for wire in ends)])
    lines += [
        [
            part.ref,
            f"{part.part} {part.value}",
            f"{part.what_for}: " + ", ".join(f"{pin} to {net}" for pin, net in part.terminals),
        ]
        for part in built.parts
    ]
    return ["## The carrier", "", *table(["reference", "what", "pins"], lines)]


def _parts(variant: str) -> list[str]:
    lines = [
        [
            row["quantity"],
            row["part"],
            row["fitted"],
            row["stands_for"] or "-",
            row["what_for"] or "-",
            row["maker_and_number"] or "any",
        ]
        for row in rows("bom.csv")
        if row["variant"] == variant
    ]
    return [
        "## Parts",
        "",
        *table(["number", "part", "fitted", "in the drawings", "what for", "maker and number"], lines),
    ]


def _power(variant: str) -> list[str]:
    lines = [
        [row["part"], row["rail"], row["typical_ma"], row["peak_ma"], row["basis"], row["source"]]
        for row in rows("power.csv")
        if row["variant"] == variant
    ]
    sums = [
        [
            rail.rail,
            f"{rail.typical_ma:.0f}",
            f"{rail.peak_ma:.0f}",
            f"{rail.limit_ma:.0f}",
            f"{100 * rail.peak_ma / rail.limit_ma:.0f} %",
            rail.source,
        ]
        for rail in power.rails(variant)
    ]
    return [
        "## Power",
        "",
        *table(["load", "rail", "typical, mA", "peak, mA", "figure is", "source"], lines),
        "",
        f"All peaks at once, 3V3 drawn from 5 V by a converter of {power.EFFICIENCY:.0%}:",
        "",
        *table(["rail", "typical, mA", "peak, mA", "limit, mA", "used", "limit by"], sums),
    ]


def _case(variant: str) -> list[str]:
    built = enclosure.case(variant)
    lines = [
        [part.name, " x ".join(f"{size:g}" for size in part.size), ", ".join(f"{at:g}" for at in part.at), part.on]
        for part in built.parts
    ]
    inner = " x ".join(f"{size:g}" for size in built.inner)
    outer = f"{built.inner[0] + 2 * built.wall:g} x {built.inner[1] + 2 * built.wall:g} x {built.inner[2] + built.floor + built.front:g}"
    return [
        "## The case",
        "",
        f"Inside {inner} mm, outside {outer} mm; x to the right, y up, z from the wall to the person.",
        "",
        *table(["part", "room, mm", "at x, y, z, mm", "fixed on"], lines),
    ]
