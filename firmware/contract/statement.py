"""Statements: everything a reader or the store says that somebody else must believe.

A statement is one line of printable ASCII: its fields joined by `|`. The MAC covers exactly these bytes, is fixed when
the statement is made, and travels behind them as one more field of 32 hex digits. *The same* means the same bytes.
`FIELDS` is the only place where a field's name and position are written. An absent value is `-`.

    1|swipe|a-101|1|9f8e7d6c5b4a3210|7|t1:0a1b2c3d4e5f6071|125000|1790000000000|sync|12|green|4711|1790000000000

Numbered statements (`open`, `swipe`, `checkin`, `kiosk`, `clock`) are journal records: identified by (reader, journal, seq).
"""

from collections import namedtuple

from firmware.contract.errors import Malformed, Misuse
from firmware.contract.mac import MAC_BYTES, TOKEN_BYTES
from firmware.contract.topics import is_name
from firmware.contract.verdict import VERDICTS

VERSION = "1"
LINE_MAX = 4096  #: bytes of the longest line, MAC included: a hello that lists some 80 journals
EVIDENCE_MAX = 80  #: characters: two tokens under keys of three digits and a card's message are 67
NUMBER_MAX = 0x7FFFFFFFFFFFFFFF
_PRINTABLE = "".join([chr(c) for c in range(0x20, 0x7F)])
_DIGITS, _HEX = "0123456789", "0123456789abcdef"
CLOCK_STATES = ("sync", "hold", "none")  #: synced; holding, with growing uncertainty; unset

# A letter says what may stand in the field: n number, N number or absent, j journal id, J journal id or absent,
# h 16 hex digits (a nonce), c clock state, v verdict, e tokens, E evidence of any kind, T one token or absent, w word,
# W word or absent, l list of journals.
FIELDS = {
    # the first record of a journal names the previous journal and its last seq
    "open": (("journal", "j"), ("seq", "n"), ("before", "J"), ("before_seq", "N"), ("firmware", "w")),
    "swipe": (
        ("journal", "j"),
        ("seq", "n"),
        ("evidence", "E"),  # kind and bytes of the evidence: see `evidence_of`
        ("boot_ms", "n"),  # milliseconds since boot
        ("wall_ms", "N"),  # wall estimate, UTC epoch
        ("clock", "c"),
        ("uncertainty_ms", "N"),
        ("verdict", "v"),  # what was shown
        ("session", "N"),  # the session it was shown for
        ("roster", "N"),  # the roster version used
    ),
    # an evening confirmation at a residence's kiosk (DDU-12)
    "checkin": (
        ("journal", "j"),
        ("seq", "n"),
        ("evidence", "e"),
        ("method", "w"),  # what confirmed it beside the card: finger, or pin
        ("witness", "T"),  # the staff card that witnessed a PIN
        ("boot_ms", "n"),
        ("wall_ms", "N"),
        ("clock", "c"),
        ("uncertainty_ms", "N"),
        ("verdict", "v"),
        ("tries", "n"),  # fingers or PINs that were refused before it
        ("place", "w"),  # in, out (of the registered fence), fixed (no receiver is fitted), none (no fix)
        ("cell", "W"),  # the coarse cell of the place; never the point
        ("fix", "W"),  # the fix's quality
        ("roster", "N"),  # the version of the residents list used
    ),
    # what else happened at a kiosk: an enrolment, a slot erased, a refusal, a lid opened, a kiosk moved
    "kiosk": (
        ("journal", "j"),
        ("seq", "n"),
        ("boot_ms", "n"),
        ("wall_ms", "N"),
        ("clock", "c"),
        ("uncertainty_ms", "N"),
        ("event", "w"),
        ("subject", "T"),  # the card that it is about
        ("by", "T"),  # the staff card that did it
        ("slot", "N"),
        ("generation", "N"),
        ("detail", "W"),
    ),
    # pairs this boot's monotonic time with the epoch, so that swipes taken without a clock are placed
    "clock": (("journal", "j"), ("seq", "n"), ("boot_ms", "n"), ("wall_ms", "n"), ("uncertainty_ms", "n")),
    "hello": (("nonce", "h"), ("boot_ms", "n"), ("roster", "N"), ("firmware", "w"), ("journals", "l")),
    "head": (
        ("nonce", "h"),
        ("boot_ms", "n"),
        ("wall_ms", "N"),
        ("clock", "c"),
        ("uncertainty_ms", "N"),
        ("able", "w"),  # ok, or what keeps the reader from taking swipes: chip, full, storage; of a kiosk also list
        ("journals", "l"),
    ),
    # store to reader; `nonce` is that of the reader's last hello (for `time`: of the hello or head it answers)
    "receipt": (("nonce", "h"), ("journal", "j"), ("up_to", "n")),
    "again": (("nonce", "h"), ("journal", "j"), ("first", "n"), ("last", "n")),
    "time": (("nonce", "h"), ("wall_ms", "n")),
    "command": (("counter", "n"), ("name", "w"), ("argument", "w")),
}
NUMBERED = ("open", "swipe", "checkin", "kiosk", "clock")
KINDS = tuple(sorted(FIELDS))

Statement = namedtuple("Statement", ("kind", "reader", "key", "values", "text", "mac"))
Token = namedtuple("Token", ("key", "token"))
#: What a card that signs said at this tap: its counter (24 bits) and its MAC, 8 bytes (NXP AN12196: SDMReadCtr, SDMMAC).
Message = namedtuple("Message", ("counter", "mac"))
#: Kinds of evidence, by their letter: a card's number; that and what the card signed; that, and the card's message is
#: encrypted, so that nobody here can tell what it says; a card that identifies nobody.
NUMBER, SIGNED, SEALED, NOBODY = "t", "s", "e", "x"
COUNTER_MAX = 0xFFFFFF
MESSAGE_MAC_BYTES = 8
#: one journal in a hello or head: oldest seq kept, freed up to (-1: nothing, written `-`), highest seq. In a head
#: `freed` tells a store that was restored from a backup that it has lost something.
Held = namedtuple("Held", ("journal", "oldest", "freed", "head"))


def say(kind: str, reader: str, key: int, values: dict) -> str:
    """The line to be MACed. `values`: field name -> value as in `FIELDS`; raises Misuse where one does not fit."""
    parts = [VERSION, kind, reader, str(key)]
    for name, sort in FIELDS[kind]:
        value = values[name]
        try:
            text = _write(sort, value)
            _READ[sort](text)
        except (Malformed, ValueError, TypeError, AttributeError):
            raise Misuse("statement-value", f"{kind}.{name} cannot be {value!r}")
        parts.append(text)
    if not is_name(reader) or not 1 <= key <= 255:
        raise Misuse("statement-value", "a statement names its reader and a key id of 1 to 255")
    line = "|".join(parts)
    if len(line) + 1 + 2 * MAC_BYTES > LINE_MAX:
        raise Misuse("statement-length", "this statement is longer than a line may be")
    return line


def seal(text: str, mac: bytes) -> str:
    """The line as it travels: the MACed text and the MAC behind it."""
    return text + "|" + mac.hex()


def read(line: str) -> "Statement":
    """A sealed line's statement. Says nothing about whether the MAC is right: that needs the key.

    Raises Malformed with code `statement-length`, `statement-version`, `statement-kind` or `statement-field`.
    """
    if len(line) > LINE_MAX:
        raise Malformed("statement-length", "the line is longer than a statement may be")
    if not _is_printable(line):
        raise Malformed("statement-field", "a statement is printable ASCII")
    parts = line.split("|")
    if parts[0] != VERSION:
        raise Malformed("statement-version", "this statement has a format version that is not known here")
    if len(parts) < 5 or parts[1] not in FIELDS:
        raise Malformed("statement-kind", "there is no such kind of statement")
    kind = parts[1]
    fields = FIELDS[kind]
    if len(parts) != 5 + len(fields):
        raise Malformed("statement-field", f"a {kind} has {5 + len(fields)} fields, not {len(parts)}")
    if not is_name(parts[2]):
        raise Malformed("statement-field", "the reader's name is not one")
    key = _number(parts[3])
    if not 1 <= key <= 255:
        raise Malformed("statement-field", "a key id is 1 to 255")
    values = {}
    for (name, sort), text in zip(fields, parts[4:]):
        values[name] = _READ[sort](text)
    mac = parts[-1]
    if not _is_hex(mac, 2 * MAC_BYTES):
        raise Malformed("statement-field", "a MAC is 32 hex digits")
    return Statement(kind, parts[2], key, values, line[: -2 * MAC_BYTES - 1], bytes.fromhex(mac))


def tokens(evidence: str) -> list:
    """The `Token`s in a swipe's evidence: one, two during a rotation, or none where the card identifies nobody.

    Raises Malformed(`statement-field`) for a kind of evidence that is not known here.
    """
    kind, said = evidence[:1], evidence[1:]
    if kind == NOBODY and not said:
        return []
    if kind == SIGNED:
        said, bar, _ = said.partition(";")
        if not bar:
            raise Malformed("statement-field", "a signed card's evidence has its tokens, a semicolon and its message")
    elif kind not in (NUMBER, SEALED) or not kind:
        raise Malformed("statement-field", "this kind of evidence is not known here")
    found = []
    for part in said.split(","):
        key, colon, token = part.partition(":")
        if not colon or not _is_hex(token, 2 * TOKEN_BYTES) or not 1 <= _number(key) <= 255:
            raise Malformed("statement-field", "a token is a key id, a colon and 16 hex digits")
        found.append(Token(int(key), bytes.fromhex(token)))
    if len(found) > 2:
        raise Malformed("statement-field", "a swipe carries one token, or two during a rotation")
    return found


def message(evidence: str) -> "Message | None":
    """What the card signed, of a signed card's evidence; None for every other kind. Raises Malformed as `tokens` does."""
    if evidence[:1] != SIGNED:
        return None
    said = evidence.partition(";")[2]
    if not _is_hex(said, 6 + 2 * MESSAGE_MAC_BYTES):
        raise Malformed("statement-field", "a card's message is 6 hex digits of its counter and 16 of its MAC")
    return Message(int(said[:6], 16), bytes.fromhex(said[6:]))


def evidence_of(found: list, said=None) -> str:
    """The evidence field: `t` and one or two `Token`s, joined by commas, each key id, colon, 16 hex digits.

    said: what the card said of itself beside its number, a `Message`: then `s`, the tokens, a semicolon, 6 hex digits of the
    counter and 16 of the MAC; with a counter of None, where the card's message is encrypted: `e` and the tokens. No
    tokens: the card identifies nobody, and all that stands there is `x`.
    """
    if not found:
        return NOBODY
    listed = ",".join([f"{t.key}:{t.token.hex()}" for t in found])
    if said is None:
        return NUMBER + listed
    if said.counter is None:
        return SEALED + listed
    return f"{SIGNED}{listed};{said.counter:06x}{said.mac.hex()}"


def _write(sort: str, value) -> str:
    if value is None:
        return "-"
    if sort == "l":
        return ",".join([f"{h.journal}:{h.oldest}:{'-' if h.freed == -1 else h.freed}:{h.head}" for h in value]) or "-"
    return str(value)


def _number_or_none(text: str):
    return None if text == "-" else _number(text)


def _id(text: str) -> str:
    if len(text) != 16 or text.strip(_HEX):
        raise Malformed("statement-field", "a journal id or nonce is 16 hex digits")
    return text


def _id_or_none(text: str):
    return None if text == "-" else _id(text)


def _clock(text: str) -> str:
    if text not in CLOCK_STATES:
        raise Malformed("statement-field", "a clock is sync, hold or none")
    return text


def _verdict(text: str) -> str:
    if text not in VERDICTS:
        raise Malformed("statement-field", "this verdict is not one a reader shows")
    return text


def _tokens(text: str) -> str:
    if text[:1] != NUMBER:
        raise Malformed("statement-field", "a card's tokens stand here")
    return _evidence(text)


def _evidence(text: str) -> str:
    tokens(text)
    message(text)
    if "|" in text or len(text) > EVIDENCE_MAX:
        raise Malformed("statement-field", "evidence is longer than any can be")
    return text


def _token_or_none(text: str):
    if text == "-":
        return None
    if len(tokens("t" + text)) != 1:
        raise Malformed("statement-field", "one token stands here, with its key id")
    return _bounded(text)


def _word(text: str) -> str:
    if not _is_printable(text):
        raise Malformed("statement-field", "a word has 1 to 64 printable ASCII characters and no bar")
    return _bounded(text)


def _word_or_none(text: str):
    return None if text == "-" else _word(text)


def _bounded(text: str) -> str:
    if not text or "|" in text or len(text) > 64:
        raise Malformed("statement-field", "a word has 1 to 64 printable ASCII characters and no bar")
    return text


def _journals(text: str) -> list:
    held = []
    if text == "-":
        return held
    for part in text.split(","):
        fields = part.split(":")
        if len(fields) != 4 or not _is_hex(fields[0], 16):
            raise Malformed("statement-field", "a journal is listed as id:oldest:freed:head")
        freed = -1 if fields[2] == "-" else _number(fields[2])
        held.append(Held(fields[0], _number(fields[1]), freed, _number(fields[3])))
    return held


def _number(text: str) -> int:
    # No sign, no blank, no leading zero: one number has one spelling, so one statement has one text.
    if not text or len(text) > 19 or text.strip(_DIGITS) or (text[0] == "0" and len(text) > 1):
        raise Malformed("statement-field", "a number is written in plain decimal digits")
    value = int(text)
    if value > NUMBER_MAX:
        raise Malformed("statement-field", "this number is larger than any can be")
    return value


# `strip` takes the characters off in C, on both interpreters: what is left at its end did not belong there. A loop over
# characters took most of the time in which a store reads a line.
def _is_printable(text: str) -> bool:
    return not text.strip(_PRINTABLE)


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and not text.strip(_HEX)


# What reads each sort of field: looked up, as a store and a gateway read a dozen fields of each line.
_READ = {
    "n": _number,
    "N": _number_or_none,
    "j": _id,
    "J": _id_or_none,
    "h": _id,
    "c": _clock,
    "v": _verdict,
    "e": _tokens,
    "E": _evidence,
    "T": _token_or_none,
    "w": _word,
    "W": _word_or_none,
    "l": _journals,
}
