"""The carrier's schematic as a picture, by schemdraw (only `make hardware` installs it), drawn from the netlist.

Above: one line for each wire, from the board on the left, through its resistor where it has one, to its device's header
on the right. Below: every other part between its nets. Nets that have the same name are one net.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

from hardware.netlist import Carrier, Part, carrier
from hardware.pins import NAMES, RAILS, Pin
from hardware.wiring import label

ROW = 1.3
BOARD_RIGHT, HEADER_LEFT = 0.0, 9.0
#: Between two parts below, and how many stand in a row.
STEP = 2.9
PER_ROW = 6


def draw(board: str, path: Path) -> None:
    """Write the picture of a board's carrier to `path` (.svg or .png)."""
    import schemdraw  # pyright: ignore[reportMissingImports]
    from schemdraw import elements  # pyright: ignore[reportMissingImports]

    built = carrier(board)
    drawing = schemdraw.Drawing(show=False)
    drawing.config(fontsize=11, bgcolor="white")
    inline = {part.ref: part for wire in built.wires for part in in_line(built, wire)}
    bottom = _wires(drawing, elements, built)
    _parts(drawing, elements, [part for part in built.parts if part.ref not in inline], bottom)
    drawing.save(str(path))


def in_line(built: Carrier, wire: Pin) -> list[Part]:
    """The part that leads from the wire's net at the board straight to its net at the header."""
    ends = {wire.net, wire.device_net}
    return [part for part in built.parts if {net for _, net in part.terminals} == ends and wire.device_net]


def _wires(drawing: Any, elements: Any, built: Carrier) -> float:
    """The upper half. Returns the height of its lower edge."""
    y, tops = 0.0, {}
    for place, wire in enumerate(built.wires):
        if place and wire.device != built.wires[place - 1].device:
            y -= 0.9
        tops.setdefault(wire.device, y)
        _wire(drawing, elements, built, wire, y)
        y -= ROW
    bottom = y + ROW
    _box(drawing, elements, BOARD_RIGHT - 4.6, BOARD_RIGHT, 0.9, bottom - 0.6, f"U1  {NAMES[built.board]}")
    for device, header in built.headers.items():
        rows = [wire for wire in built.wires if wire.device == device]
        low = tops[device] - ROW * (len(rows) - 1) - 0.5
        _box(drawing, elements, HEADER_LEFT, HEADER_LEFT + 4.4, tops[device] + 0.8, low, f"{header}  {device}")
    return bottom


def _wire(drawing: Any, elements: Any, built: Carrier, wire: Pin, y: float) -> None:
    drawing += (
        elements.Label()
        .theta(0)
        .at((BOARD_RIGHT - 0.15, y - 0.12))
        .label(f"{label(wire)} ({wire.pin})", halign="right", fontsize=10)
    )
    number = built.header_pin(wire)
    drawing += (
        elements.Label()
        .theta(0)
        .at((HEADER_LEFT + 0.15, y - 0.12))
        .label(f"{number}: {wire.device_pin}", halign="left", fontsize=10)
    )
    parts = in_line(built, wire)
    if parts:
        part = parts[0]
        drawing += elements.Line().at((BOARD_RIGHT, y)).to((3.2, y))
        drawing += elements.Resistor().at((3.2, y)).to((5.8, y)).label(f"{part.ref}  {part.value}", fontsize=10)
        drawing += elements.Line().at((5.8, y)).to((HEADER_LEFT, y)).label(wire.device_net, fontsize=9)
    elif wire.device_net:
        drawing += elements.Line().at((BOARD_RIGHT, y)).to((2.2, y))
        drawing += elements.Tag(width=2.0).at((2.2, y)).right().label(wire.net, fontsize=9)
        drawing += elements.Line().at((HEADER_LEFT, y)).to((7.6, y))
        drawing += elements.Tag(width=2.2).at((7.6, y)).left().label(wire.device_net, fontsize=9)
    else:
        drawing += elements.Line().at((BOARD_RIGHT, y)).to((HEADER_LEFT, y)).label(wire.net, fontsize=9)


def _box(drawing: Any, elements: Any, left: float, right: float, top: float, low: float, title: str) -> None:
    corners = [(left, top), (right, top), (right, low), (left, low), (left, top)]
    for begin, end in pairwise(corners):
        drawing += elements.Line().at(begin).to(end).linewidth(1.5)
    drawing += elements.Label().theta(0).at(((left + right) / 2, top + 0.15)).label(title, fontsize=12)


def _parts(drawing: Any, elements: Any, parts: list[Part], bottom: float) -> None:
    """The lower half: parts between two nets in a row, upper net above; a transistor with its three nets."""
    kinds = {"resistor": elements.Resistor, "capacitor": elements.Capacitor, "diode": elements.Diode}
    kinds["electrolytic capacitor"] = elements.Capacitor2
    # A transistor takes the room of two: last.
    for place, part in enumerate(sorted(parts, key=lambda part: len(part.terminals) > 2)):
        x, y = -3.6 + STEP * (place % PER_ROW), bottom - 3.4 - 5.6 * (place // PER_ROW)
        ends = sorted(part.terminals, key=lambda end: _height(end[1]))
        if len(ends) == 3:
            _transistor(drawing, elements, part, x, y)
            continue
        element = kinds[part.part]().at((x, y)).to((x, y - 2.2))
        if part.part == "diode":  # its symbol's arrow ends at the cathode, which is the upper end here
            element = kinds[part.part]().at((x, y - 2.2)).to((x, y))
        drawing += element
        drawing += (
            elements.Label()
            .theta(0)
            .at((x + 0.45, y - 1.2))
            .label(f"{part.ref}\n{part.value}", halign="left", fontsize=10)
        )
        _end(drawing, elements, ends[-1][1], (x, y), up=True)
        _end(drawing, elements, ends[0][1], (x, y - 2.2), up=False)


def _transistor(drawing: Any, elements: Any, part: Part, x: float, y: float) -> None:
    nets = dict(part.terminals)
    device = elements.BjtNpn(circle=True).at((x + 0.4, y - 1.1)).anchor("base").right()
    drawing += device
    drawing += elements.Line().at((x + 0.4, y - 1.1)).to((x, y - 1.1))
    drawing += (
        elements.Label().theta(0).at((x + 1.6, y - 1.2)).label(f"{part.ref}\n{part.value}", halign="left", fontsize=10)
    )
    drawing += elements.Label().theta(0).at((x + 0.1, y - 0.95)).label(nets["B"], halign="right", fontsize=9)
    _end(drawing, elements, nets["C"], device.collector, up=True)
    _end(drawing, elements, nets["E"], device.emitter, up=False)


def _height(net: str) -> float:
    """Where a net stands on the page: rails by their volts, signals between."""
    return RAILS.get(net, 1.0)


def _end(drawing: Any, elements: Any, net: str, at: Any, *, up: bool) -> None:
    """A net's symbol or name at the end of a part."""
    if net == "GND":
        drawing += elements.Ground().at(at)
    elif net in RAILS:
        drawing += elements.Vdd().at(at).label(net, fontsize=10)
    else:
        x, y = at
        drawing += elements.Dot(open=True).at(at)
        drawing += elements.Label().theta(0).at((x, y + (0.4 if up else -0.55))).label(net, fontsize=9)
