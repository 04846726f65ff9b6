"""The carrier board's netlist, made from `pins.csv` and `carrier.csv`, and what must be so about it.

U1 is the board on its sockets, J1 .. one header for each wired device, the rest are `carrier.csv`'s parts. An end is
(reference, pin); a net is all ends that are one piece of copper.
"""

from collections import defaultdict
from dataclasses import dataclass

from hardware.pins import CHIPS, RAILS, DevicePin, Pin, device_pins, devices, pins, rows

BOARD = "U1"
#: A wire's direction at the board, and the kinds of device pin that fit its other end.
FITS = {"in": {"out"}, "out": {"in"}, "both": {"both", "plug"}, "power": {"power", "plug"}, "ground": {"ground"}}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the carrier. terminals: (pin, net), in the part's order."""

    ref: str
    part: str
    value: str
    what_for: str
    terminals: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """One carrier board: its wires, headers and parts."""

    board: str
    wires: tuple[Pin, ...]
    parts: tuple[Part, ...]

    @property
    def headers(self) -> dict[str, str]:
        """device -> J1, J2 ..."""
        return {device: f"J{number}" for number, device in enumerate(devices(list(self.wires)), 1)}

    def header_pin(self, wire: Pin) -> int:
        """The wire's number at its device's header, from 1."""
        return 1 + [each.signal for each in self.wires if each.device == wire.device].index(wire.signal)

    @property
    def nets(self) -> dict[str, list[tuple[str, str]]]:
        """net -> its ends, in the order of the files."""
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for wire in self.wires:
            found[wire.net].append((BOARD, wire.pin))
            header = self.headers[wire.device]
            found[wire.device_net or wire.net].append((header, str(self.header_pin(wire))))
        for part in self.parts:
            for pin, net in part.terminals:
                found[net].append((part.ref, pin))
        return dict(found)


def carrier(board: str) -> Carrier:
    """A board's carrier, from the files."""
    terminals: dict[str, list[tuple[str, str]]] = defaultdict(list)
    first: dict[str, dict[str, str]] = {}
    for row in rows("carrier.csv"):
        if row["board"] == board:
            terminals[row["ref"]].append((row["pin"], row["net"]))
            first.setdefault(row["ref"], row)
    parts = tuple(
        Part(ref=ref, part=row["part"], value=row["value"], what_for=row["what_for"], terminals=tuple(terminals[ref]))
        for ref, row in first.items()
    )
    return Carrier(board=board, wires=tuple(pin for pin in pins(board) if not pin.plug), parts=parts)


def offered() -> dict[tuple[str, int], set[str]]:
    """(chip, GPIO) -> the functions that the chip has there, from `functions.csv`."""
    return {(row["chip"], int(row["gpio"])): set(row["functions"].split("; ")) for row in rows("functions.csv")}


def faults(board: str, wires: list[Pin], carrier: Carrier) -> list[str]:
    """What is wrong with this board's wires and carrier, in words; nothing when all is well."""
    return [*_pin_faults(board, wires), *_wire_faults(wires, device_pins()), *_net_faults(carrier)]


def _pin_faults(board: str, wires: list[Pin]) -> list[str]:
    found = []
    chip, functions = CHIPS[board], offered()
    for name, values in (
        ("GPIO", [str(wire.gpio) for wire in wires if wire.gpio is not None]),
        ("pin", [wire.pin for wire in wires if not wire.plug]),
        ("signal", [wire.signal for wire in wires]),
    ):
        found += [f"{name} {value} is used twice" for value in dict.fromkeys(values) if values.count(value) > 1]
    header = {row["pin"]: row["name"] for row in rows("headers.csv") if row["board"] == board}
    for wire in wires:
        if wire.gpio is not None and wire.function not in functions.get((chip, wire.gpio), set()):
            found.append(f"{wire.signal}: {chip} has no {wire.function} at GPIO {wire.gpio}")
        name = f"GPIO{wire.gpio}" if wire.gpio is not None else wire.function
        if not wire.plug and header.get(wire.pin) != name:
            found.append(f"{wire.signal}: pin {wire.pin} of the board is {header.get(wire.pin)}, not {name}")
    return found


def _wire_faults(wires: list[Pin], known: dict[tuple[str, str], DevicePin]) -> list[str]:
    found = []
    for wire in wires:
        end = known.get((wire.device, wire.device_pin))
        if end is None:
            found.append(f"{wire.signal}: devices.csv does not know {wire.device} {wire.device_pin}")
            continue
        if end.kind != "plug" and end.kind not in FITS[wire.direction]:
            found.append(f"{wire.signal}: {wire.direction} at the board meets {end.kind} at {wire.device}")
        if not wire.device_net and not end.low_v <= wire.voltage <= end.high_v:
            found.append(
                f"{wire.signal}: {wire.voltage} V, but {wire.device} {wire.device_pin} bears {end.low_v} to {end.high_v} V"
            )
        if wire.gpio is not None and not wire.device_net and end.high_v > 3.3:
            found.append(f"{wire.signal}: {wire.device} {wire.device_pin} may put {end.high_v} V on a GPIO")
        if wire.function in RAILS and wire.voltage != RAILS[wire.function]:
            found.append(f"{wire.signal}: {wire.function} is not {wire.voltage} V")
    return found


def _net_faults(carrier: Carrier) -> list[str]:
    found = []
    seen: dict[tuple[str, str], str] = {}
    for net, ends in carrier.nets.items():
        if len(ends) < 2:
            found.append(f"net {net} ends nowhere: only {ends[0][0]}.{ends[0][1]} is on it")
        for end in ends:
            if seen.setdefault(end, net) != net:
                found.append(f"{end[0]}.{end[1]} is on the nets {seen[end]} and {net}")
    for part in carrier.parts:
        nets = [net for _, net in part.terminals]
        if len(set(nets)) < len(nets):
            found.append(f"{part.ref} is shorted")
        # What a GPIO may meet is less than 3.6 V: only a transistor or a resistor with a base behind it stands before 5 V.
        if part.part == "resistor" and "5V" in nets and any(net not in RAILS for net in nets):
            found.append(f"{part.ref} pulls a signal to 5 V")
    for wire in carrier.wires:
        if wire.device_net and not any({wire.net, wire.device_net} <= _reach(carrier, part) for part in carrier.parts):
            found.append(f"{wire.signal}: no part leads from {wire.net} to {wire.device_net}")
    return found


def _reach(carrier: Carrier, part: Part) -> set[str]:
    """The nets of a part, and of the parts at its nets but the rails: a base resistor and its transistor are one stage."""
    nets = {net for _, net in part.terminals}
    for other in carrier.parts:
        others = {net for _, net in other.terminals}
        if (nets & others) - set(RAILS):
            nets = nets | others
    return nets


def text(carrier: Carrier) -> str:
    """The netlist as text: a line for each net, `net: reference.pin ...`."""
    lines = [f"{net}: {' '.join(f'{ref}.{pin}' for ref, pin in ends)}" for net, ends in carrier.nets.items()]
    parts = [f"{BOARD} {carrier.board}"]
    parts += [f"{header} header to {device}" for device, header in carrier.headers.items()]
    parts += [f"{part.ref} {part.part} {part.value}" for part in carrier.parts]
    return "\n".join(["# Made by `python -m hardware` from pins.csv and carrier.csv.", "", *parts, "", *lines]) + "\n"
