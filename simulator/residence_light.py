"""What a kiosk's lamp flashed at somebody's last word: by the kiosk's own record, whenever somebody looks.

Lamp and screens stand in that record with the kiosk's times, and what somebody does at a kiosk comes before what it shows of
that. So the answer is the same however late a busy machine lets the record be read. Once the power went nothing more
is counted: a kiosk that starts is red until its chip answers, and that is nobody's verdict.
"""

from collections.abc import Sequence

from simulator.lamp import Colours, Lamp

#: a flash begins with its screen, but for the dark that parts it from one before. Red at another time, beside a flash
#: that does so, is a kiosk's whose chip is away for a moment: its slow pulse waits until a flash has ended, s
BEGINS_S = 0.3
#: blue goes dark twice; nothing else does so, and a kiosk that is not let run may be late with it, s
TWICE_S = 1.2
#: nobody does anything at a kiosk so soon after the person before has left, s
NEXT_S = 0.1


def flashed(lamp: Lamp, screens: Sequence[tuple[float, str]], told: str, since_s: float, left_s: float) -> str:
    """`green`, `red`, `blue` or ''; and each of them where the lamp said more than one: `green, red`.

    screens: what the display said and when. told: its last word. since_s, left_s: when that person last did something, and
    left, monotonic: what begins later is the next person's.
    """
    ends_s = lamp.powered_until(since_s)
    # A kiosk that lost its power between showing it and saying so: then the power is the end.
    said_s = next((at_s for at_s, said in screens if said == told and at_s >= since_s), ends_s)
    shown = lamp.flashes(since_s, min(said_s + TWICE_S, left_s + NEXT_S), ends_s=ends_s)
    own = [(light, at_s) for light, at_s in shown if light == "blue" or at_s <= said_s + BEGINS_S]
    lights = [light for light, at_s in own if at_s >= said_s - BEGINS_S] or [light for light, _ in own]
    return ", ".join(dict.fromkeys(lights))


def story(lamp: Lamp, screens: Sequence[tuple[float, str]], since_s: float, left_s: float) -> str:
    """All that lamp and display showed between two times, in seconds since the first, for whoever asks why."""
    shown = [(at_s, f"lamp {_colour(colours)}") for at_s, colours in lamp.history]
    shown += [(at_s, f"display {said or 'dark'}") for at_s, said in screens]
    shown += [(at_s, "no power") for at_s in lamp.lost_s]
    return "; ".join(f"{at_s - since_s:+.3f} {what}" for at_s, what in sorted(shown) if since_s <= at_s <= left_s)


def _colour(colours: Colours) -> str:
    names = [name for name, on in zip(("red", "green", "blue"), colours, strict=True) if on]
    return "+".join(names) or "dark"
