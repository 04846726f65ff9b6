"""What the R30x, ZFM and AS608 fingerprint sensors are asked and answer, without I/O. For MicroPython and CPython.

Two rules govern this module:
1. A command is one of COMMANDS with just as many parameter bytes as stand there. Those that carry a template or an
   image to or from the sensor are not among them, and the encoder makes no packet that is not a command.
2. What an answer *says* is judged by the `parse_` functions; they raise `AnswerError` and nothing else.

Packets, and what is done with damaged ones: `fingerprint_packets`. An answer's first byte says how it went (ANSWERS).
Source: the modules' user manuals, and a capture of a real one.
"""

from collections import namedtuple

from firmware.codecs.fingerprint_packets import ADDRESS, COMMAND, START

GENERATE_IMAGE = 0x01
EXTRACT = 0x02
MATCH = 0x03
MERGE = 0x05
STORE = 0x06
LOAD = 0x07
DELETE = 0x0C
READ_PARAMETERS = 0x0F
VERIFY_PASSWORD = 0x13
COUNT = 0x1D
READ_INDEX = 0x1F

#: Every command there is: its name in the manuals, bytes of parameters, bytes after a good answer's first.
COMMANDS = {
    GENERATE_IMAGE: ("GenImg", 0, 0),
    EXTRACT: ("Img2Tz", 1, 0),
    MATCH: ("Match", 0, 2),
    MERGE: ("RegModel", 0, 0),
    STORE: ("Store", 3, 0),
    LOAD: ("LoadChar", 3, 0),
    DELETE: ("Delete", 4, 0),
    READ_PARAMETERS: ("ReadSysPara", 0, 16),
    VERIFY_PASSWORD: ("VfyPwd", 4, 0),
    COUNT: ("TempleteNum", 0, 2),
    READ_INDEX: ("ReadIndexTable", 1, 32),
}

OK = 0x00
PACKET_ERROR = 0x01
NO_FINGER = 0x02
IMAGE_FAILED = 0x03
MESSY = 0x06
FEW_FEATURES = 0x07
NO_MATCH = 0x08
DIFFER = 0x0A
BAD_SLOT = 0x0B
LOAD_FAILED = 0x0C
WRONG_PASSWORD = 0x13
NO_IMAGE = 0x15
FLASH_FAILED = 0x18
#: An answer's first byte, as one word.
ANSWERS = {
    OK: "ok",
    PACKET_ERROR: "packet-error",
    NO_FINGER: "no-finger",
    IMAGE_FAILED: "image-failed",
    MESSY: "messy",
    FEW_FEATURES: "few-features",
    NO_MATCH: "no-match",
    DIFFER: "differ",
    BAD_SLOT: "bad-slot",
    LOAD_FAILED: "load-failed",
    0x10: "delete-failed",
    WRONG_PASSWORD: "wrong-password",
    NO_IMAGE: "no-image",
    FLASH_FAILED: "flash-failed",
}

#: Slots in one page of the index.
PAGE_SLOTS = 256


class FingerprintError(Exception):
    """Anything this module raises; `code` is stable, the text tells the technician what to do."""

    code = "fingerprint"


class CommandError(FingerprintError):
    """Our own mistake: this is no command, or not with these parameters."""

    code = "fingerprint.command"


class AnswerError(FingerprintError):
    """The sensor's mistake: a whole packet that does not say what it must."""

    code = "fingerprint.answer"


#: What is asked: a code of COMMANDS, and bytes.
Command = namedtuple("Command", ("code", "parameters"))
#: What a sensor says of itself: status word, system id, how many templates it holds at most, security level (1 to 5),
#: its address (4 bytes), bytes in one of its data packets, and the line's speed in bit/s.
Parameters = namedtuple("Parameters", ("status", "system", "capacity", "security", "address", "packet_bytes", "baud"))


def verify_password(password):
    """VfyPwd with a number of 32 bits: without it a sensor does nothing."""
    return Command(VERIFY_PASSWORD, _number(password, 4))


def read_parameters():
    """ReadSysPara. Its answer cannot be taken for another command's: it alone has 16 bytes."""
    return Command(READ_PARAMETERS, b"")


def generate_image():
    """GenImg: look at the glass. NO_FINGER where there is none."""
    return Command(GENERATE_IMAGE, b"")


def extract(buffer):
    """Img2Tz: the features of the last image into *buffer* (1 or 2)."""
    return Command(EXTRACT, _number(buffer, 1))


def match():
    """Match: buffer 1 against buffer 2, which is one finger against one template."""
    return Command(MATCH, b"")


def merge():
    """RegModel: one template out of both buffers. DIFFER where they show two fingers."""
    return Command(MERGE, b"")


def store(slot, buffer=1):
    """Store: the template in *buffer* into the sensor's own memory at *slot*."""
    return Command(STORE, _number(buffer, 1) + _number(slot, 2))


def load(slot, buffer):
    """LoadChar: the template at *slot* into *buffer*; it stays in the sensor."""
    return Command(LOAD, _number(buffer, 1) + _number(slot, 2))


def delete(slot, count=1):
    """Delete: *count* slots from *slot* on."""
    return Command(DELETE, _number(slot, 2) + _number(count, 2))


def count():
    """TempleteNum: how many slots are held."""
    return Command(COUNT, b"")


def read_index(page):
    """ReadIndexTable: which of PAGE_SLOTS slots are held, from page * PAGE_SLOTS on."""
    return Command(READ_INDEX, _number(page, 1))


def encode(command, address=ADDRESS):
    """The packet of one `Command` (bytes); CommandError where it is not one of COMMANDS, to the byte."""
    if command.code not in COMMANDS:
        raise CommandError("0x%02x is not a command of ours: see COMMANDS" % command.code)
    name, parameters, _ = COMMANDS[command.code]
    if len(command.parameters) != parameters or len(address) != 4:
        raise CommandError("%s takes %d bytes of parameters, and an address has 4" % (name, parameters))
    body = bytes((COMMAND, 0, 1 + parameters + 2, command.code)) + command.parameters
    return START + address + body + _number(sum(body) & 0xFFFF, 2)


def _number(value, size):
    if not 0 <= value < 1 << 8 * size:
        raise CommandError("%d does not fit in %d bytes" % (value, size))
    return value.to_bytes(size, "big")


def expect(answer, command):
    """*answer* itself, where it can be one to *command*; AnswerError where a good answer to that is of another length.

    An answer does not say what it answers, so this tells one from another only where their lengths differ.
    """
    name, _, length = COMMANDS[command.code]
    if answer.code == OK and len(answer.data) != length:
        raise AnswerError("the sensor answered %d bytes to %s: start it again" % (len(answer.data), name))
    return answer


def parse_parameters(answer):
    """`Parameters` from the answer to ReadSysPara; AnswerError where it holds none, or impossible ones."""
    data = _good(answer, READ_PARAMETERS)
    if data[14] << 8 | data[15] not in range(1, 13) or data[12] or data[13] > 3:
        raise AnswerError("the sensor's parameters cannot be: check which sensor this is")
    return Parameters(
        data[0] << 8 | data[1],
        data[2] << 8 | data[3],
        data[4] << 8 | data[5],
        data[6] << 8 | data[7],
        data[8:12],
        32 << data[13],
        9600 * (data[14] << 8 | data[15]),
    )


def parse_score(answer):
    """How alike both buffers are (a number of 16 bits), or None: not the same finger. AnswerError for anything else."""
    if answer.code == NO_MATCH:
        return None
    data = _good(answer, MATCH)
    return data[0] << 8 | data[1]


def parse_count(answer):
    """How many slots are held."""
    data = _good(answer, COUNT)
    return data[0] << 8 | data[1]


def parse_index(answer, page):
    """The slots held (a set of ints) in *page* of the index: slot 0 is the lowest bit of the first byte."""
    data = _good(answer, READ_INDEX)
    held = set()
    for i in range(PAGE_SLOTS):
        if data[i // 8] >> i % 8 & 1:
            held.add(page * PAGE_SLOTS + i)
    return held


def _good(answer, code):
    name, _, length = COMMANDS[code]
    if answer.code != OK:
        raise AnswerError("the sensor answered %s to %s" % (ANSWERS.get(answer.code, "0x%02x" % answer.code), name))
    if len(answer.data) != length:
        raise AnswerError("the sensor answered %d bytes to %s: start it again" % (len(answer.data), name))
    return answer.data
