"""The carrier's netlist: every net leads somewhere, and a carrier that is wrong is found."""

from dataclasses import replace

import pytest

from hardware import netlist, wiring
from hardware.pins import READERS, pins


@pytest.fixture(params=READERS)
def carrier(request) -> netlist.Carrier:
    return netlist.carrier(request.param)


def faults(carrier: netlist.Carrier) -> list[str]:
    return netlist.faults(carrier.board, pins(carrier.board), carrier)


def changed(carrier: netlist.Carrier, ref: str, **terminals: str) -> netlist.Carrier:
    """The carrier with some of a part's pins on other nets."""
    parts = tuple(
        replace(part, terminals=tuple((pin, terminals.get(f"_{pin}", net)) for pin, net in part.terminals))
        if part.ref == ref
        else part
        for part in carrier.parts
    )
    return replace(carrier, parts=parts)


def test_every_net_has_two_ends_and_no_end_is_on_two_nets(carrier):
    ends = [end for net in carrier.nets.values() for end in net]
    assert all(len(net) >= 2 for net in carrier.nets.values())
    assert len(ends) == len(set(ends))


def test_every_wire_of_the_board_reaches_its_device_through_copper_or_a_part(carrier):
    for wire in carrier.wires:
        header = (carrier.headers[wire.device], str(carrier.header_pin(wire)))
        nets = [net for net, ends in carrier.nets.items() if header in ends or (netlist.BOARD, wire.pin) in ends]
        assert nets == [wire.net] if not wire.device_net else set(nets) == {wire.net, wire.device_net}


def test_no_gpio_shares_a_net_with_a_rail(carrier):
    gpios = {(netlist.BOARD, wire.pin) for wire in carrier.wires if wire.gpio is not None}
    assert not any(gpios & set(ends) for net, ends in carrier.nets.items() if net in netlist.RAILS)


def test_the_light_has_a_resistor_for_each_colour_and_no_pin_gives_more_than_it_may(carrier):
    # Least forward voltages: 1.8 V red, 2.5 V green and blue. An RP2040 pin may give 12 mA, a BCM2711 one 16 mA.
    for colour, least_v in (("red", 1.8), ("green", 2.5), ("blue", 2.5)):
        (part,) = [p for p in carrier.parts if {n for _, n in p.terminals} == {f"light-{colour}", f"lamp-{colour}"}]
        ohm = float(part.value.removesuffix(" ohm"))
        assert 2.0 < 1000 * (3.3 - least_v) / ohm < 12.0


@pytest.mark.parametrize(
    ("ref", "terminals", "says"),
    [
        ("R1", {"_2": "lost"}, "net lost ends nowhere"),
        ("R1", {"_2": "lost"}, "no part leads from light-red to lamp-red"),
        ("R1", {"_2": "light-red"}, "R1 is shorted"),
        ("R6", {"_1": "5V"}, "R6 pulls a signal to 5 V"),
    ],
)
def test_a_carrier_that_is_wrong_is_found(carrier, ref, terminals, says):
    assert any(says in fault for fault in faults(changed(carrier, ref, **terminals)))


def test_a_pin_on_two_nets_is_found(carrier):
    part = carrier.parts[0]
    twice = replace(part, terminals=(*part.terminals, (part.terminals[0][0], "GND")))
    found = faults(replace(carrier, parts=(twice, *carrier.parts[1:])))
    assert any(f"{part.ref}.1 is on the nets" in fault for fault in found)


def test_the_diagram_says_through_which_part_a_wire_goes(carrier):
    by_signal = {wire.signal: wire for wire in carrier.wires}
    assert wiring.through(by_signal["light-green"], carrier) == "R2 150 ohm"
    assert wiring.through(by_signal["buzzer"], carrier) == "R6 1 kohm and Q1 BC547"
    assert wiring.through(by_signal["pn532-ground"], carrier) == ""
