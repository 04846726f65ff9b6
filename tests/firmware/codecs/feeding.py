"""Bytes fed to a chip's decoder, and what is found in them."""

from firmware.codecs.framing import Damaged


def named(events):
    """Events with damage reduced to its code, which is what is stable."""
    return [event.code if isinstance(event, Damaged) else event for event in events]


def fed(decoder, parts):
    """What the decoder finds in these parts, fed one after another."""
    return named([event for part in parts for event in decoder.feed(part)])


def pieces(data, size=1):
    """The data cut into pieces of that many bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]
