"""The wiring diagram as WireViz reads it, made from `pins.csv`: the board, a cable for each device, the device.

A part of the carrier that a wire passes is named in the cable's notes: the wire itself ends at the carrier's header.
"""

from textwrap import wrap

from hardware.netlist import Carrier, carrier
from hardware.pins import NAMES, Pin, devices, pins

#: WireViz's codes of the colours in `pins.csv`.
COLOURS = {
    "red": "RD",
    "black": "BK",
    "blue": "BU",
    "yellow": "YE",
    "green": "GN",
    "white": "WH",
}
#: Characters in a line of remarks.
REMARK = 44


def label(wire: Pin) -> str:
    """What stands beside a pin of the board: its GPIO or rail, and what it is for."""
    name = f"GP{wire.gpio}" if wire.gpio is not None else wire.function
    return name if wire.function == name else f"{name} {wire.signal}"


def through(wire: Pin, built: Carrier) -> str:
    """The parts of the carrier between the board's pin and the header, such as `R1 330 ohm`; empty where there are none."""
    if not wire.device_net:
        return ""
    first = [part for part in built.parts if wire.net in {net for _, net in part.terminals}]
    last = [part for part in built.parts if wire.device_net in {net for _, net in part.terminals}]
    passed = [part for part in built.parts if part in first and part in last] or [*first, *last]
    return " and ".join(f"{part.ref} {part.value}" for part in passed if part.part != "diode")


def yaml(board: str) -> str:
    """The diagram of a board as WireViz's YAML."""
    wires, built = pins(board), carrier(board)
    lines = ["# Made by `python -m hardware` from pins.csv.", "options:", "  bgcolor: WH", "connectors:"]
    lines += ["  Board:", f"    type: {NAMES[board]}", "    subtype: number of its pin"]
    lines += [f"    pins: [{', '.join(_pin(wire) for wire in wires)}]"]
    lines += [f"    pinlabels: [{', '.join(_quoted(label(wire)) for wire in wires)}]"]
    for device in devices(wires):
        ends = [wire for wire in wires if wire.device == device]
        lines += [f"  {_quoted(device)}:"]
        lines += [
            f"    type: {f'at header {built.headers[device]} of the carrier' if device in built.headers else 'plugged in'}"
        ]
        lines += [f"    pinlabels: [{', '.join(_quoted(wire.device_pin) for wire in ends)}]"]
        remarks = [line for wire in ends if wire.note for line in wrap(f"{wire.device_pin}: {wire.note}", REMARK)]
        if remarks:
            lines += [f"    notes: {_quoted('<br/>'.join(remarks))}"]
    lines += ["cables:"]
    for number, device in enumerate(devices(wires), 1):
        ends = [wire for wire in wires if wire.device == device]
        plug = all(wire.plug for wire in ends)
        lines += [f"  W{number}:", f"    type: {'bought cable' if plug else 'wires'} to {device}"]
        lines += [f"    wirecount: {len(ends)}"]
        if not plug:
            lines += [f"    colors: [{', '.join(COLOURS[wire.colour] for wire in ends)}]"]
        passed = [f"{wire.signal} through {through(wire, built)}" for wire in ends if wire.device_net]
        if passed:
            lines += [f"    notes: {_quoted('on the carrier:<br/>' + '<br/>'.join(passed))}"]
    lines += ["connections:"]
    for number, device in enumerate(devices(wires), 1):
        ends = [wire for wire in wires if wire.device == device]
        lines += ["  -"]
        lines += [f"    - Board: [{', '.join(_pin(wire) for wire in ends)}]"]
        lines += [f"    - W{number}: [{', '.join(str(place) for place in range(1, len(ends) + 1))}]"]
        lines += [f"    - {_quoted(device)}: [{', '.join(str(place) for place in range(1, len(ends) + 1))}]"]
    return "\n".join(lines) + "\n"


def _pin(wire: Pin) -> str:
    """A header's pin as a number, a socket as a name."""
    return wire.pin if not wire.plug else _quoted(wire.pin)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "'") + '"'
