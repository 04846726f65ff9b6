"""PN532 frames and answers, without I/O: bytes in, events out. For MicroPython and CPython.

Two rules govern this module:
1. Whatever bytes come, `Decoder.feed` returns events and never raises, and it keeps less than MAX_FRAME bytes.
   A damaged frame is an event too (`Damaged`), after which the next frame is found again.
2. What a well-framed answer *says* is judged by the `parse_` functions; they raise `AnswerError` and nothing else.

A frame (NXP UM0701-02, 6.2.1):  00 00 FF LEN LCS TFI data.. DCS 00     LEN + LCS = 0, TFI + data + DCS = 0 (mod 256)
  longer than 255 bytes:         00 00 FF FF FF LENM LENL LCS TFI data.. DCS 00
  ACK 00 00 FF 00 FF 00     NACK 00 00 FF FF 00 00     error 00 00 FF 01 FF 7F 81 00
TFI is D4 from host to chip and D5 from chip to host; an answer's code is its command's plus one.
On I2C every read begins with a status byte: 01, and the frame follows; 00, nothing is ready.
"""

from collections import namedtuple

from firmware.codecs.framing import Damaged, FrameDecoder

GET_FIRMWARE_VERSION = 0x02
READ_REGISTER = 0x06
WRITE_REGISTER = 0x08
SET_PARAMETERS = 0x12
SAM_CONFIGURATION = 0x14
POWER_DOWN = 0x16
RF_CONFIGURATION = 0x32
IN_DATA_EXCHANGE = 0x40
IN_COMMUNICATE_THRU = 0x42
IN_LIST_PASSIVE_TARGET = 0x4A
IN_RELEASE = 0x52

#: Command codes and their names in NXP's manual.
COMMANDS = {
    0x00: "Diagnose",
    GET_FIRMWARE_VERSION: "GetFirmwareVersion",
    0x04: "GetGeneralStatus",
    READ_REGISTER: "ReadRegister",
    WRITE_REGISTER: "WriteRegister",
    0x0C: "ReadGPIO",
    0x0E: "WriteGPIO",
    0x10: "SetSerialBaudRate",
    SET_PARAMETERS: "SetParameters",
    SAM_CONFIGURATION: "SAMConfiguration",
    POWER_DOWN: "PowerDown",
    RF_CONFIGURATION: "RFConfiguration",
    IN_DATA_EXCHANGE: "InDataExchange",
    IN_COMMUNICATE_THRU: "InCommunicateThru",
    0x44: "InDeselect",
    0x46: "InJumpForPSL",
    IN_LIST_PASSIVE_TARGET: "InListPassiveTarget",
    0x4E: "InPSL",
    0x50: "InATR",
    IN_RELEASE: "InRelease",
    0x54: "InSelect",
    0x56: "InJumpForDEP",
    0x58: "RFRegulationTest",
    0x60: "InAutoPoll",
}

ACK = b"\x00\x00\xff\x00\xff\x00"
NACK = b"\x00\x00\xff\xff\x00\x00"
#: Longest data field (TFI included), and longest frame from start code to checksum, bytes.
MAX_LENGTH = 265
MAX_FRAME = 2 + 5 + MAX_LENGTH + 1
#: Bytes of an I2C read that hold any answer to a search for one type A card without ATS: status, frame head, a
#: 10-byte UID's description, checksum. The postamble is not needed.
TARGET_READ = 1 + 5 + 18 + 1


class Pn532Error(Exception):
    """Anything this module raises; `code` is stable, the text tells the technician what to do."""

    code = "pn532"


class CommandError(Pn532Error):
    """Our own mistake: this is not a command that the chip takes."""

    code = "pn532.command"


class AnswerError(Pn532Error):
    """The chip's mistake, or a card's: a whole frame that does not say what it must."""

    code = "pn532.answer"


class UnexpectedAnswer(AnswerError):
    """It answers another command than the one asked."""

    code = "pn532.unexpected_answer"


class BadTarget(AnswerError):
    """The description of a card is not one: the card answered nonsense."""

    code = "pn532.bad_target"


#: Events. `Answer`: code (the answer's own, odd) and data after it. `Refused`: the chip's error frame (syntax error).
#: Or `Damaged`.
Ack = namedtuple("Ack", ())
Nack = namedtuple("Nack", ())
Refused = namedtuple("Refused", ())
Answer = namedtuple("Answer", ("code", "data"))

#: A type A card: uid (4, 7 or 10 bytes as they travel), sens_res (int, 16 bits), sel_res (int, 8 bits).
Target = namedtuple("Target", ("uid", "sens_res", "sel_res"))
#: The chip's make: ic (0x32), version, revision, support bits.
Firmware = namedtuple("Firmware", ("ic", "version", "revision", "support"))

_LENGTH_CHECKSUM = Damaged(
    "pn532.length_checksum", "a frame's length was damaged on the bus: check wiring and pull-ups"
)
_DATA_CHECKSUM = Damaged("pn532.data_checksum", "a frame was damaged on the bus: check wiring and pull-ups")
_TOO_LONG = Damaged("pn532.too_long", "a frame longer than the chip can send: check wiring and supply")
_EMPTY = Damaged("pn532.no_direction", "a frame that is not from chip to host: is the bus shared?")
_TRUNCATED = Damaged("pn532.truncated", "a frame ended half-way: check wiring and supply")


def command(code, data=b""):
    """The frame of one command (bytes, 8 + len(data) or more); CommandError where the chip has no such command."""
    if code not in COMMANDS:
        raise CommandError("0x%02x is not a PN532 command: see COMMANDS" % code)
    length = len(data) + 2
    if length > MAX_LENGTH:
        raise CommandError("%d data bytes are too many: at most %d" % (len(data), MAX_LENGTH - 2))
    frame = bytearray(b"\x00\x00\xff")
    if length > 255:
        frame.extend(b"\xff\xff")
        frame.append(length >> 8)
        frame.append(length & 0xFF)
        frame.append(-((length >> 8) + (length & 0xFF)) & 0xFF)
    else:
        frame.append(length)
        frame.append(-length & 0xFF)
    frame.append(0xD4)
    frame.append(code)
    frame.extend(data)
    frame.append(-(0xD4 + code + sum(data)) & 0xFF)
    frame.append(0)
    return bytes(frame)


def _scan(buffer):
    """First event in the buffer: (event or None, first byte not needed any more, how many bytes before it were junk).

    None: no whole frame yet; what stands from the returned offset on may become one.
    """
    start = 0
    junk = 0
    end = len(buffer)
    # The start code 00 FF. Any number of 00 before it is preamble.
    while start + 1 < end and not (buffer[start] == 0 and buffer[start + 1] == 0xFF):
        if buffer[start]:
            junk += 1
        start += 1
    if start + 1 >= end:
        if start < end and buffer[start]:
            junk += 1
            start += 1
        return None, start, junk
    if start + 4 > end:
        return None, start, junk
    low, check = buffer[start + 2], buffer[start + 3]
    if low == 0 and check == 0xFF:
        return Ack(), start + 4, junk
    if low == 0xFF and check == 0:
        return Nack(), start + 4, junk
    head = start + 4
    if low == 0xFF and check == 0xFF:
        if start + 7 > end:
            return None, start, junk
        low = buffer[start + 4] << 8 | buffer[start + 5]
        # Here the checksum is over two length bytes, not over their value.
        check = buffer[start + 6] + (low >> 8)
        head = start + 7
    if ((low & 0xFF) + check) & 0xFF:
        return _LENGTH_CHECKSUM, start + 2, junk
    if low > MAX_LENGTH:
        return _TOO_LONG, start + 2, junk
    if low == 0:
        return _EMPTY, start + 2, junk
    stop = head + low + 1
    if stop > end:
        return None, start, junk
    total = 0
    for i in range(head, stop):
        total += buffer[i]
    if total & 0xFF:
        return _DATA_CHECKSUM, start + 2, junk
    if buffer[head] == 0x7F and low == 1:
        return Refused(), stop, junk
    if buffer[head] != 0xD5 or low < 2:
        return _EMPTY, stop, junk
    return Answer(buffer[head + 1], bytes(buffer[head + 2 : stop - 1])), stop, junk


class Decoder(FrameDecoder):
    """For a stream (UART): feed bytes as they come, get events. Preamble is not counted as junk."""

    def __init__(self):
        super().__init__(_scan, MAX_FRAME)


def from_i2c(buffer):
    """What one I2C read says: None (not ready) or one event. The buffer's first byte is the status.

    A whole transaction holds at most one frame, so one that is not whole is `Damaged` ("pn532.truncated").
    """
    if not len(buffer) or not buffer[0] & 1:
        return None
    event, _, _ = _scan(memoryview(buffer)[1:])
    return _TRUNCATED if event is None else event


def _expect(answer, command_code):
    if answer.code != command_code + 1:
        raise UnexpectedAnswer(
            "the chip answered 0x%02x to %s: start it again" % (answer.code, COMMANDS.get(command_code, "?"))
        )


def parse_firmware(answer):
    """`Firmware` from the answer to GetFirmwareVersion; AnswerError where it is another chip's."""
    _expect(answer, GET_FIRMWARE_VERSION)
    if len(answer.data) != 4 or answer.data[0] != 0x32:
        raise AnswerError("this is not a PN532: check which chip is on the board")
    return Firmware(answer.data[0], answer.data[1], answer.data[2], answer.data[3])


def parse_targets(answer, ats=True):
    """Type A cards (a list of `Target`, 0 to 2) from the answer to InListPassiveTarget at 106 kbps.

    *ats*: whether the chip sends RATS by itself (its default; SetParameters bit 4), so that the answer holds the ATS of
    a card whose SEL_RES says ISO 14443-4. `BadTarget` where the bytes are no such cards.
    """
    _expect(answer, IN_LIST_PASSIVE_TARGET)
    data = answer.data
    if not data or data[0] > 2:
        raise BadTarget("the chip names an impossible number of cards: present the card again")
    targets = []
    at = 1
    for number in range(1, data[0] + 1):
        if len(data) < at + 5 or data[at] != number:
            raise BadTarget("the description of a card ends half-way: present the card again")
        length = data[at + 4]
        if length not in (4, 7, 10) or len(data) < at + 5 + length:
            raise BadTarget("a card has an impossible number: present the card again")
        sel_res = data[at + 3]
        targets.append(Target(bytes(data[at + 5 : at + 5 + length]), data[at + 1] << 8 | data[at + 2], sel_res))
        at += 5 + length
        if ats and sel_res & 0x20 and at < len(data):
            # The first byte of an ATS is its own length, itself included.
            if not 0 < data[at] <= len(data) - at:
                raise BadTarget("a card's ATS ends half-way: present the card again")
            at += data[at]
    if at != len(data):
        raise BadTarget("something follows the last card: present the card again")
    return targets


def identifiable(uid):
    """Whether *uid* can stand for one card (design, "Cards").

    Random UIDs (4 bytes beginning 08, ISO/IEC 14443-3), the 01020304 that some phones give and all-zero UIDs identify
    nobody; so does anything that is not 4, 7 or 10 bytes long.
    """
    if len(uid) not in (4, 7, 10) or not any(uid):
        return False
    return not (len(uid) == 4 and (uid[0] == 0x08 or uid == b"\x01\x02\x03\x04"))
