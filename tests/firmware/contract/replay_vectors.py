"""Replays vectors.json. One source for CPython and MicroPython: `replay(vectors)` gives a list of what failed.

On MicroPython it is run as a script with the path of a vectors file, and prints one JSON object.
"""

import json
import sys

from firmware.contract import decide, envelope, roster, statement, topics
from firmware.contract.errors import ContractError
from firmware.contract.mac import Key


def code_of(call, *arguments):
    """The code of the ContractError that the call raises, or None."""
    try:
        call(*arguments)
    except ContractError as error:
        return error.code
    return None


def own(values):
    """Statement values as the code has them: a list of four is a `Held`."""
    return {k: [statement.Held(*h) for h in v] if isinstance(v, list) else v for k, v in values.items()}


def plain(values):
    """Statement values as JSON has them: a `Held` is a list."""
    return {k: [list(h) for h in v] if isinstance(v, list) else v for k, v in values.items()}


def hmac_of(v):
    key = Key(1, bytes.fromhex(v["key"]))
    message = bytes.fromhex(v["message"])
    assert key.hmac(message).hex() == v["hmac"], key.hmac(message).hex()
    assert key.mac(message).hex() == v["hmac"][:32]
    assert key.made(message, bytes.fromhex(v["hmac"])[:16])
    assert not key.made(message + b"x", bytes.fromhex(v["hmac"])[:16])


def card(v):
    token = Key(v["key_id"], bytes.fromhex(v["key"])).token(bytes.fromhex(v["uid"]))
    assert token.hex() == v["token"], token.hex()
    assert statement.evidence_of([statement.Token(v["key_id"], token)]) == v["evidence"]
    assert statement.tokens(v["evidence"]) == [statement.Token(v["key_id"], token)]


def said(v):
    key = Key(v["key_id"], bytes.fromhex(v["key"]))
    text = statement.say(v["kind"], v["reader"], v["key_id"], own(v["values"]))
    assert text == v["text"], text
    mac = key.mac(text.encode())
    assert mac.hex() == v["mac"], mac.hex()
    line = statement.seal(text, mac)
    assert line == v["line"], line
    back = statement.read(line)
    assert (back.kind, back.reader, back.key) == (v["kind"], v["reader"], v["key_id"])
    assert plain(back.values) == v["values"], back.values
    assert back.text == text
    assert key.made(back.text.encode(), back.mac)


def unsayable(v):
    code = code_of(statement.say, v["kind"], v["reader"], v["key_id"], own(v["values"]))
    assert code == v["code"], code


def malformed(v):
    calls = {
        "statement": lambda: statement.read(v["text"]),
        "evidence": lambda: statement.tokens(v["text"]),
        "envelope": lambda: envelope.unwrap(bytes.fromhex(v["hex"])),
        "topic": lambda: topics.parse(v["text"]),
    }
    code = code_of(calls[v["what"]])
    assert code == v["code"], code


def topic(v):
    assert topics.topic(v["site"], v["reader"], v["kind"]) == v["topic"]
    assert tuple(topics.parse(v["topic"])) == (v["site"], v["reader"], v["kind"])


def enveloped(v):
    assert envelope.unwrap(bytes.fromhex(v["hex"])) == v["lines"]
    assert envelope.unwrap(envelope.wrap(v["lines"])) == v["lines"]


def rostered(v):
    key = Key(1, bytes.fromhex(v["key"]))
    blob = bytes.fromhex(v["hex"])
    found = roster.decode(blob, key, v["reader"])
    assert (found.reader, found.version_ms) == (v["reader"], v["version_ms"])
    assert (found.valid_from_ms, found.valid_until_ms) == (v["valid_from_ms"], v["valid_until_ms"])
    assert [[list(s.window), s.count] for s in found.sessions] == [
        [s["window"], len(s["tokens"])] for s in v["sessions"]
    ]
    for listed, session in zip(found.sessions, v["sessions"]):  # noqa: B905  MicroPython's zip has no `strict`
        assert [found.token(listed, i).hex() for i in range(listed.count)] == session["tokens"]
        for place in range(listed.count):
            assert found.find(listed, bytes.fromhex(session["tokens"][place])) == place
        for absent in v["absent"]:
            assert found.find(listed, bytes.fromhex(absent)) == -1
    again = [(decide.Window(*s["window"]), [bytes.fromhex(t) for t in s["tokens"]]) for s in v["sessions"]]
    made = roster.encode(v["reader"], key, v["version_ms"], v["valid_from_ms"], v["valid_until_ms"], again)
    assert made == blob, made.hex()


def bad_roster(v):
    code = code_of(roster.decode, bytes.fromhex(v["hex"]), Key(1, bytes.fromhex(v["key"])), v["reader"])
    assert code == v["code"], code


def worth(v):
    windows = [decide.Window(*w) for w in v["windows"]]
    answer = decide.Answer(*v["answer"]) if v["answer"] else None
    got = list(decide.worth(windows, v["recorded"], answer, v["at_ms"], v["uncertainty_ms"]))
    assert got == v["worth"], got


GROUPS = {
    "hmac": hmac_of,
    "tokens": card,
    "statements": said,
    "unsayable": unsayable,
    "malformed": malformed,
    "topics": topic,
    "envelopes": enveloped,
    "rosters": rostered,
    "bad_rosters": bad_roster,
    "worth": worth,
}


def replay(vectors):
    """(how many were replayed, the list of `group: name: what was wrong`)."""
    count = 0
    failed = []
    for group in sorted(GROUPS):
        for v in vectors[group]:
            count += 1
            try:
                GROUPS[group](v)
            except Exception as error:  # noqa: BLE001  every vector is reported, whatever is wrong with it
                failed.append(f"{group}: {v['name']}: {type(error).__name__} {error}")
    return count, failed


if __name__ == "__main__":
    with open(sys.argv[1]) as _file:
        _count, _failed = replay(json.load(_file))
    print(json.dumps({"implementation": sys.implementation.name, "count": _count, "failed": _failed}))
