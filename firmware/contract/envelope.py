"""The JSON around statements: `{"v": 1, "lines": [...]}`. It is for people, who can read it with any MQTT client;
the lines in it are what is believed. One message may carry several."""

import json

from firmware.contract.errors import Malformed, Misuse

MESSAGE_MAX = 65536  #: bytes of the largest message on any topic
LINES_MAX = 256


def wrap(lines: list) -> bytes:
    """One message that carries these sealed lines."""
    if not 1 <= len(lines) <= LINES_MAX:
        raise Misuse("envelope-lines", f"a message carries 1 to {LINES_MAX} lines")
    message = json.dumps({"v": 1, "lines": lines}).encode()
    if len(message) > MESSAGE_MAX:
        raise Misuse("envelope-size", f"a message has at most {MESSAGE_MAX} bytes: send fewer lines in one")
    return message


def unwrap(payload: bytes) -> list:
    """The lines in a message, as text. Raises Malformed(`envelope`) for anything that `wrap` does not make."""
    if len(payload) > MESSAGE_MAX:
        raise Malformed("envelope", "the message is larger than any may be")
    try:
        message = json.loads(bytes(payload).decode())
    except (ValueError, MemoryError):
        raise Malformed("envelope", "the message is not JSON in UTF-8")
    except RuntimeError:  # CPython's RecursionError is one; MicroPython has no such name
        raise Malformed("envelope", "the message is nested too deeply")
    if not isinstance(message, dict) or message.get("v") != 1:
        raise Malformed("envelope", "the message has a version that is not known here")
    lines = message.get("lines")
    if not isinstance(lines, list) or not 1 <= len(lines) <= LINES_MAX:
        raise Malformed("envelope", f"a message carries 1 to {LINES_MAX} lines")
    for line in lines:
        if not isinstance(line, str):
            raise Malformed("envelope", "a line is text")
    return lines
