"""Packets of the R30x, ZFM and AS608 fingerprint sensors: bytes in, answers out. Commands: `fingerprint`.

Two rules govern this module:
1. Whatever bytes come, `Decoder.feed` returns events and never raises, and it keeps less than MAX_PACKET bytes. A damaged
   packet is an event too (`Damaged`), after which the next one is found again.
2. Data packets, in which templates and images travel, are not kept: one that comes unasked is dropped unread.

A packet:  EF 01 | address 4 | kind 1 | length 2 | contents | sum 2     numbers high byte first; length = contents + 2;
the sum is that of kind, length and contents (mod 65536). Kinds: 01 command, 02 and 08 data, 07 answer.
"""

from collections import namedtuple

from firmware.codecs.framing import Damaged, FrameDecoder

#: The address that every sensor has when it is new.
ADDRESS = b"\xff\xff\xff\xff"
#: The longest answer that is ever asked for: contents and sum; and the longest packet, bytes.
MAX_LENGTH = 1 + 32 + 2
MAX_PACKET = 9 + MAX_LENGTH

#: With this a packet begins; the kind of a host's.
START = b"\xef\x01"
COMMAND = 0x01
_DATA, _ANSWER, _LAST_DATA = 0x02, 0x07, 0x08

#: Events. `Answer`: how it went (fingerprint.ANSWERS), and the bytes after that. Or `Damaged`.
Answer = namedtuple("Answer", ("code", "data"))

_SUM = Damaged("fingerprint.sum", "a packet was damaged on the line: check wiring and supply")
_TOO_LONG = Damaged("fingerprint.too_long", "a packet longer than any answer: check wiring and supply")
_TOO_SHORT = Damaged("fingerprint.too_short", "a packet with nothing in it: check wiring and supply")
_OTHER = Damaged("fingerprint.address", "a packet from another address: is this the sensor that was set up here?")
_UNASKED = Damaged("fingerprint.data", "the sensor sent data that nobody asked for; it was dropped unread")
_NOT_AN_ANSWER = Damaged("fingerprint.kind", "a packet that is no answer: does something else talk on this line?")


def _scan(buffer, address):
    """First event in the buffer: (event or None, first byte not needed any more, how many before it were junk).

    None: no whole packet yet; what stands from the returned offset on may become one.
    """
    start = 0
    end = len(buffer)
    while start < end and not (buffer[start] == 0xEF and (start + 1 == end or buffer[start + 1] == 1)):
        start += 1
    if start + 9 > end:
        return None, start, start
    length = buffer[start + 7] << 8 | buffer[start + 8]
    kind = buffer[start + 6]
    # After what is not believed the search goes on behind the two start bytes: its length may be wrong as well.
    if kind in (_DATA, _LAST_DATA):
        return _UNASKED, start + 2, start
    if kind != _ANSWER:
        return _NOT_AN_ANSWER, start + 2, start
    if length > MAX_LENGTH:
        return _TOO_LONG, start + 2, start
    if length < 3:
        return _TOO_SHORT, start + 2, start
    stop = start + 9 + length
    if stop > end:
        return None, start, start
    total = 0
    for i in range(start + 6, stop - 2):
        total += buffer[i]
    if total & 0xFFFF != buffer[stop - 2] << 8 | buffer[stop - 1]:
        return _SUM, start + 2, start
    if bytes(buffer[start + 2 : start + 6]) != address:
        return _OTHER, stop, start
    return Answer(buffer[start + 9], bytes(buffer[start + 10 : stop - 2])), stop, start


class Decoder(FrameDecoder):
    """For the line to one sensor: feed bytes as they come, get events. Junk: noise, and the 55 with which a sensor starts."""

    def __init__(self, address=ADDRESS):
        super().__init__(lambda buffer: _scan(buffer, address), MAX_PACKET)
