"""Makes firmware/contract/vectors.json: `python tests/firmware/contract/make_vectors.py` writes it, `--check` compares.

Every expectation is written by hand here or made with CPython's own hmac, zlib and int.to_bytes, never with
firmware.contract: a vector that the code made of itself proves nothing.
"""

import hmac
import json
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path

PATH = Path(__file__).resolve().parents[3] / "firmware" / "contract" / "vectors.json"
KEY = bytes(range(32)).hex()
JOURNAL = "9f8e7d6c5b4a3210"
OTHER = "00112233445566aa"
NONCE = "0123456789abcdef"


def hmac_sha256(key_hex: str, message: bytes) -> bytes:
    return hmac.digest(bytes.fromhex(key_hex), message, "sha256")


def hmacs() -> list[dict]:
    # RFC 4231 sections 4.2 to 4.6, keys of 16 to 64 bytes. (Its case 2 has a 4-byte key and 6, 7 one of 131: none is ours.)
    return [
        {
            "name": "RFC 4231 case 1",
            "key": "0b" * 20,
            "message": b"Hi There".hex(),
            "hmac": "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        },
        {
            "name": "RFC 4231 case 3",
            "key": "aa" * 20,
            "message": "dd" * 50,
            "hmac": "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        },
        {
            "name": "RFC 4231 case 4",
            "key": bytes(range(1, 26)).hex(),
            "message": "cd" * 50,
            "hmac": "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        },
        {
            "name": "RFC 4231 case 5, whose published output is cut to 16 bytes as ours is",
            "key": "0c" * 20,
            "message": b"Test With Truncation".hex(),
            "hmac": "a3b6167473100ee06e0c796c2955552b" + hmac_sha256("0c" * 20, b"Test With Truncation").hex()[32:],
        },
        *[
            {"name": f"a key of {n} bytes", "key": "5a" * n, "message": "", "hmac": hmac_sha256("5a" * n, b"").hex()}
            for n in (16, 32, 63, 64)
        ],
    ]


def tokens() -> list[dict]:
    found = []
    for name, key_id, uid in (
        ("a 4-byte UID", 1, "04a1b2c3"),
        ("a 7-byte UID", 1, "04a1b2c3d4e580"),
        ("a 10-byte UID under another key", 255, "04a1b2c3d4e58011223344"[:20]),
    ):
        token = hmac_sha256(KEY, bytes.fromhex(uid))[:8].hex()
        evidence = f"t{key_id}:{token}"
        found.append({"name": name, "key_id": key_id, "key": KEY, "uid": uid, "token": token, "evidence": evidence})
    return found


SWIPE = {
    "journal": JOURNAL,
    "seq": 7,
    "evidence": "t1:0a1b2c3d4e5f6071",
    "boot_ms": 125000,
    "wall_ms": 1790000000000,
    "clock": "sync",
    "uncertainty_ms": 12,
    "verdict": "green",
    "session": 4711,
    "roster": 1790000000000,
}
CHECKIN = {
    "journal": JOURNAL,
    "seq": 8,
    "evidence": "t1:0a1b2c3d4e5f6071",
    "method": "finger",
    "witness": None,
    "boot_ms": 126000,
    "wall_ms": 1790000000000,
    "clock": "sync",
    "uncertainty_ms": 12,
    "verdict": "green",
    "tries": 0,
    "place": "in",
    "cell": "51.50,-0.12",
    "fix": "3d",
    "roster": 1790000000000,
}
EVENT = {
    "journal": JOURNAL,
    "seq": 9,
    "boot_ms": 127000,
    "wall_ms": 1790000000000,
    "clock": "sync",
    "uncertainty_ms": 12,
    "event": "enrolled",
    "subject": "1:0a1b2c3d4e5f6071",
    "by": "1:ffffffffffffffff",
    "slot": 17,
    "generation": 4,
    "detail": None,
}
UNSET = {"wall_ms": None, "clock": "none", "uncertainty_ms": None}
BIGGEST = 2**63 - 1


def statements() -> list[dict]:
    rows = [
        (
            "the first record of a reader's first journal",
            "open",
            {"journal": JOURNAL, "seq": 0, "before": None, "before_seq": None, "firmware": "1.0.0"},
            f"1|open|a-101|1|{JOURNAL}|0|-|-|1.0.0",
        ),
        (
            "the first record of a later journal",
            "open",
            {"journal": JOURNAL, "seq": 0, "before": OTHER, "before_seq": 512, "firmware": "1.0.0"},
            f"1|open|a-101|1|{JOURNAL}|0|{OTHER}|512|1.0.0",
        ),
        (
            "a green swipe",
            "swipe",
            SWIPE,
            f"1|swipe|a-101|1|{JOURNAL}|7|t1:0a1b2c3d4e5f6071|125000|1790000000000|sync|12|green|4711|1790000000000",
        ),
        (
            "a swipe without clock and roster, during a rotation of card keys",
            "swipe",
            {
                **SWIPE,
                **UNSET,
                "verdict": "check",
                "session": None,
                "roster": None,
                "evidence": "t2:ffffffffffffffff,1:0000000000000000",
            },
            f"1|swipe|a-101|1|{JOURNAL}|7|t2:ffffffffffffffff,1:0000000000000000|125000|-|none|-|check|-|-",
        ),
        (
            "a swipe of a card that signs, during a rotation, with the longest key ids",
            "swipe",
            {**SWIPE, "evidence": "s200:ffffffffffffffff,199:0000000000000000;00003d94eed9ee65337086"},
            f"1|swipe|a-101|1|{JOURNAL}|7|s200:ffffffffffffffff,199:0000000000000000;00003d94eed9ee65337086|125000"
            "|1790000000000|sync|12|green|4711|1790000000000",
        ),
        (
            "a swipe of a card whose message is encrypted",
            "swipe",
            {**SWIPE, "evidence": "e1:0a1b2c3d4e5f6071", "verdict": "check", "session": None},
            f"1|swipe|a-101|1|{JOURNAL}|7|e1:0a1b2c3d4e5f6071|125000|1790000000000|sync|12|check|-|1790000000000",
        ),
        (
            "a swipe of a card that identifies nobody",
            "swipe",
            {**SWIPE, "evidence": "x", "verdict": "check", "session": None},
            f"1|swipe|a-101|1|{JOURNAL}|7|x|125000|1790000000000|sync|12|check|-|1790000000000",
        ),
        (
            "a check-in by finger",
            "checkin",
            CHECKIN,
            f"1|checkin|a-101|1|{JOURNAL}|8|t1:0a1b2c3d4e5f6071|finger|-|126000|1790000000000|sync|12|green|0|in"
            "|51.50,-0.12|3d|1790000000000",
        ),
        (
            "a witnessed check-in by PIN, without clock, position and list",
            "checkin",
            {
                **CHECKIN,
                **UNSET,
                "method": "pin",
                "witness": "1:ffffffffffffffff",
                "verdict": "check",
                "tries": 2,
                "place": "none",
                "cell": None,
                "fix": None,
                "roster": None,
            },
            f"1|checkin|a-101|1|{JOURNAL}|8|t1:0a1b2c3d4e5f6071|pin|1:ffffffffffffffff|126000|-|none|-|check|2|none"
            "|-|-|-",
        ),
        (
            "a finger enrolled at a kiosk",
            "kiosk",
            EVENT,
            f"1|kiosk|a-101|1|{JOURNAL}|9|127000|1790000000000|sync|12|enrolled|1:0a1b2c3d4e5f6071|1:ffffffffffffffff"
            "|17|4|-",
        ),
        (
            "a kiosk that was opened",
            "kiosk",
            {**EVENT, "event": "opened", "subject": None, "by": None, "slot": None, "generation": None},
            f"1|kiosk|a-101|1|{JOURNAL}|9|127000|1790000000000|sync|12|opened|-|-|-|-|-",
        ),
        (
            "a red swipe on a holding clock",
            "swipe",
            {**SWIPE, "clock": "hold", "uncertainty_ms": 4320, "verdict": "red", "session": None},
            f"1|swipe|a-101|1|{JOURNAL}|7|t1:0a1b2c3d4e5f6071|125000|1790000000000|hold|4320|red|-|1790000000000",
        ),
        (
            "a swipe while no session is open; the largest numbers",
            "swipe",
            {**SWIPE, "seq": BIGGEST, "boot_ms": BIGGEST, "verdict": "shut", "session": None},
            f"1|swipe|a-101|1|{JOURNAL}|{BIGGEST}|t1:0a1b2c3d4e5f6071|{BIGGEST}|1790000000000|sync|12|shut|-|1790000000000",
        ),
        (
            "a clock record",
            "clock",
            {"journal": JOURNAL, "seq": 9, "boot_ms": 300000, "wall_ms": 1790000300000, "uncertainty_ms": 40},
            f"1|clock|a-101|1|{JOURNAL}|9|300000|1790000300000|40",
        ),
        (
            "a hello of a new reader",
            "hello",
            {"nonce": NONCE, "boot_ms": 4100, "roster": None, "firmware": "1.0.0", "journals": []},
            f"1|hello|a-101|1|{NONCE}|4100|-|1.0.0|-",
        ),
        (
            "a hello with a freed journal and one of which nothing is freed",
            "hello",
            {
                "nonce": NONCE,
                "boot_ms": 4100,
                "roster": 1790000000000,
                "firmware": "1.0.0",
                "journals": [[OTHER, 100, 512, 512], [JOURNAL, 0, -1, 7]],
            },
            f"1|hello|a-101|1|{NONCE}|4100|1790000000000|1.0.0|{OTHER}:100:512:512,{JOURNAL}:0:-:7",
        ),
        (
            "a head",
            "head",
            {
                "nonce": NONCE,
                "boot_ms": 64100,
                "wall_ms": 1790000000000,
                "clock": "sync",
                "uncertainty_ms": 6,
                "able": "ok",
                "journals": [[JOURNAL, 0, 3, 7]],
            },
            f"1|head|a-101|1|{NONCE}|64100|1790000000000|sync|6|ok|{JOURNAL}:0:3:7",
        ),
        (
            "a head of a reader without clock and with a full journal",
            "head",
            {"nonce": NONCE, "boot_ms": 64100, **UNSET, "able": "full", "journals": []},
            f"1|head|a-101|1|{NONCE}|64100|-|none|-|full|-",
        ),
        (
            "a receipt",
            "receipt",
            {"nonce": NONCE, "journal": JOURNAL, "up_to": 0},
            f"1|receipt|a-101|1|{NONCE}|{JOURNAL}|0",
        ),
        (
            "again",
            "again",
            {"nonce": NONCE, "journal": JOURNAL, "first": 0, "last": 41},
            f"1|again|a-101|1|{NONCE}|{JOURNAL}|0|41",
        ),
        ("a time", "time", {"nonce": NONCE, "wall_ms": 1790000000000}, f"1|time|a-101|1|{NONCE}|1790000000000"),
        (
            "a command with blanks in its argument",
            "command",
            {"counter": 1, "name": "restart", "argument": "at once, please"},
            "1|command|a-101|1|1|restart|at once, please",
        ),
    ]
    found = []
    for name, kind, values, text in rows:
        mac = hmac_sha256(KEY, text.encode())[:16].hex()
        found.append(
            {
                "name": name,
                "kind": kind,
                "reader": "a-101",
                "key_id": 1,
                "key": KEY,
                "values": values,
                "text": text,
                "mac": mac,
                "line": f"{text}|{mac}",
            }
        )
    return found


def unsayable() -> list[dict]:
    wrong = [
        ("a negative number", {**SWIPE, "seq": -1}, "a-101", 1),
        ("a number past 63 bits", {**SWIPE, "seq": 2**63}, "a-101", 1),
        ("an absent number that must be there", {**SWIPE, "boot_ms": None}, "a-101", 1),
        ("a verdict that no reader shows", {**SWIPE, "verdict": "purple"}, "a-101", 1),
        ("a clock state that there is not", {**SWIPE, "clock": "good"}, "a-101", 1),
        ("a journal id in capitals", {**SWIPE, "journal": JOURNAL.upper()}, "a-101", 1),
        ("a short journal id", {**SWIPE, "journal": "9f"}, "a-101", 1),
        ("evidence of no kind known", {**SWIPE, "evidence": "f00"}, "a-101", 1),
        ("a signed card without its message", {**SWIPE, "evidence": "s1:0a1b2c3d4e5f6071"}, "a-101", 1),
        ("a card's message that is too short", {**SWIPE, "evidence": "s1:0a1b2c3d4e5f6071;00003d94eed9"}, "a-101", 1),
        ("nobody, and then somebody", {**SWIPE, "evidence": "x1:0a1b2c3d4e5f6071"}, "a-101", 1),
        ("a reader without a name", SWIPE, "", 1),
        ("a reader's name with a bar", SWIPE, "a|b", 1),
        ("key id 0", SWIPE, "a-101", 0),
        ("key id 256", SWIPE, "a-101", 256),
    ]
    rows = [
        {"name": name, "kind": "swipe", "reader": r, "key_id": k, "values": values, "code": "statement-value"}
        for name, values, r, k in wrong
    ]
    for name, word in (
        ("a bar in a word", "a|b"),
        ("an empty word", ""),
        ("a word of 65 characters", "x" * 65),
        ("a new line in a word", "a\nb"),
        ("a word that is not ASCII", "caf\u00e9"),
    ):
        values = {"counter": 1, "name": "restart", "argument": word}
        rows.append(
            {
                "name": name,
                "kind": "command",
                "reader": "a-101",
                "key_id": 1,
                "values": values,
                "code": "statement-value",
            }
        )
    many = {
        "nonce": NONCE,
        "boot_ms": 1,
        "roster": None,
        "firmware": "1",
        "journals": [[JOURNAL, BIGGEST, BIGGEST, BIGGEST]] * 60,
    }
    rows.append(
        {
            "name": "a hello longer than a line",
            "kind": "hello",
            "reader": "a-101",
            "key_id": 1,
            "values": many,
            "code": "statement-length",
        }
    )
    return rows


def malformed() -> list[dict]:
    mac = "0" * 32
    good = f"1|time|a-101|1|{NONCE}|1790000000000|{mac}"
    rows = [
        ("nothing", "", "statement-version"),
        ("a version of tomorrow", "2" + good[1:], "statement-version"),
        ("a kind that there is not", f"1|swype|a-101|1|{mac}", "statement-kind"),
        ("a kind and nothing more", "1|time", "statement-kind"),
        ("a field too few", f"1|time|a-101|1|{NONCE}|{mac}", "statement-field"),
        ("a field too many", f"1|time|a-101|1|{NONCE}|1|2|{mac}", "statement-field"),
        ("a leading zero", good.replace("|179", "|0179"), "statement-field"),
        ("a sign", good.replace("|179", "|+179"), "statement-field"),
        ("a blank", good.replace("|179", "| 179"), "statement-field"),
        ("an underscore in a number", good.replace("|1790", "|1_790"), "statement-field"),
        ("digits that are not ASCII", good.replace("|1790", "|\u0661790"), "statement-field"),
        ("a number of 20 digits", good.replace("|1790000000000", "|" + "9" * 20), "statement-field"),
        ("a number past 63 bits", good.replace("|1790000000000", f"|{2**63}"), "statement-field"),
        ("an absent number that must be there", good.replace("|1790000000000", "|-"), "statement-field"),
        ("key id 0", good.replace("|1|", "|0|"), "statement-field"),
        ("key id 256", good.replace("|1|", "|256|"), "statement-field"),
        ("a reader's name in capitals", good.replace("a-101", "A-101"), "statement-field"),
        ("a nonce in capitals", good.replace(NONCE, NONCE.upper()), "statement-field"),
        ("a MAC in capitals", good.replace(mac, "A" * 32), "statement-field"),
        ("a short MAC", good[:-1], "statement-field"),
        ("a line break behind it", good + "\n", "statement-field"),
        ("a byte 0 in it", good.replace("time", "ti\0me"), "statement-field"),
        ("longer than a line may be", good + "0" * 4096, "statement-length"),
        (
            "two tokens where one stands",
            f"1|kiosk|a-101|1|{JOURNAL}|9|1|-|none|-|opened|1:0a1b2c3d4e5f6071,2:0a1b2c3d4e5f6071|-|-|-|-|{mac}",
            "statement-field",
        ),
    ]
    found = [{"name": f"statement: {n}", "what": "statement", "text": t, "code": c} for n, t, c in rows]
    for name, text in (
        ("empty", ""),
        ("another kind", "x1:0a1b2c3d4e5f6071"),
        ("no token", "t"),
        ("no key id", "t:0a1b2c3d4e5f6071"),
        ("key id 0", "t0:0a1b2c3d4e5f6071"),
        ("key id 256", "t256:0a1b2c3d4e5f6071"),
        ("a leading zero", "t01:0a1b2c3d4e5f6071"),
        ("a short token", "t1:0a1b"),
        ("three tokens", "t" + ",".join(["1:0a1b2c3d4e5f6071"] * 3)),
        ("a comma at the end", "t1:0a1b2c3d4e5f6071,"),
    ):
        found.append({"name": f"evidence: {name}", "what": "evidence", "text": text, "code": "statement-field"})
    for name, payload in (
        ("nothing", b""),
        ("not JSON", b"hello"),
        ("not UTF-8", b'{"v": 1, "lines": ["\xff"]}'),
        ("a list", b"[]"),
        ("no version", b'{"lines": ["a"]}'),
        ("version 2", b'{"v": 2, "lines": ["a"]}'),
        ("no lines", b'{"v": 1, "lines": []}'),
        ("lines that are text", b'{"v": 1, "lines": "a"}'),
        ("a line that is a number", b'{"v": 1, "lines": [1]}'),
        ("a line that is null", b'{"v": 1, "lines": ["a", null]}'),
        ("257 lines", json.dumps({"v": 1, "lines": ["a"] * 257}).encode()),
        ("cut off", b'{"v": 1, "lines": ["a"'),
    ):
        found.append({"name": f"envelope: {name}", "what": "envelope", "hex": payload.hex(), "code": "envelope"})
    for text in (
        "",
        "muster/v1/main/a-101",
        "muster/v1/main/a-101/swipes/more",
        "muster/v2/main/a-101/swipes",
        "/muster/v1/main/a-101/swipes",
        "muster/v1/main//swipes",
        "muster/v1/main/A-101/swipes",
        "muster/v1/+/a-101/swipes",
        "muster/v1/main/#/swipes",
        "muster/v1/main/a-101/swipe",
        "muster/v1/main/" + "a" * 33 + "/swipes",
        "$SYS/broker/uptime",
        "muster/v1/m\u00fcnchen/a-101/swipes",
    ):
        found.append({"name": f"topic: {text[:40]!r}", "what": "topic", "text": text, "code": "topic"})
    return found


def topics() -> list[dict]:
    kinds = ("swipes", "hello", "head", "status", "health", "roster", "receipt", "command")
    return [
        {"name": kind, "site": "main", "reader": "a-101", "kind": kind, "topic": f"muster/v1/main/a-101/{kind}"}
        for kind in kinds
    ]


def envelopes() -> list[dict]:
    lines = [row["line"] for row in statements()]
    return [
        {"name": "one line", "lines": lines[:1], "hex": json.dumps({"v": 1, "lines": lines[:1]}).encode().hex()},
        {"name": "fields in another order, no blanks", "lines": lines, "hex": json.dumps({"lines": lines, "v": 1}, separators=(",", ":")).encode().hex()},
        {"name": "a field that is not known yet", "lines": ["a"], "hex": b'{"v": 1, "new": {"x": [1.5]}, "lines": ["a"]}'.hex()},
    ]  # fmt: skip


def roster_bytes(reader, version_ms, valid_from_s, valid_until_s, sessions, key=KEY, magic=b"MRO1") -> bytes:
    """A roster by the layout in roster.py's first lines, put together byte by byte."""
    body = magic + reader.encode().ljust(32, b"\0") + version_ms.to_bytes(8, "little")
    body += (
        valid_from_s.to_bytes(4, "little") + valid_until_s.to_bytes(4, "little") + len(sessions).to_bytes(2, "little")
    )
    for window, members in sessions:
        body += b"".join(n.to_bytes(4, "little") for n in window) + len(members).to_bytes(2, "little")
    for _, members in sessions:
        body += b"".join(members)
    return signed(body, key)


def signed(body: bytes, key=KEY) -> bytes:
    body += zlib.crc32(body).to_bytes(4, "little")
    return body + hmac_sha256(key, body)[:16]


V = 1_790_000_000
TOKENS = sorted(hmac_sha256(KEY, bytes([n]))[:8] for n in range(9))
SESSIONS = [
    ((11, V + 1800, V + 3600, V + 7200, V + 7200), TOKENS[:5]),
    ((12, V + 5400, V + 7200, V + 10800, V + 11100), TOKENS[3:8]),
    ((13, V + 9000, V + 10800, V + 14400, V + 14400), []),
]


def rosters() -> list[dict]:
    found = []
    for name, sessions in (("three sessions, one with an empty list", SESSIONS), ("no session", [])):
        blob = roster_bytes("a-101", V * 1000 + 123, V, V + 72 * 3600, sessions)
        found.append(
            {
                "name": name,
                "reader": "a-101",
                "key": KEY,
                "hex": blob.hex(),
                "version_ms": V * 1000 + 123,
                "valid_from_ms": V * 1000,
                "valid_until_ms": (V + 72 * 3600) * 1000,
                "sessions": [
                    {"window": [w[0], *[s * 1000 for s in w[1:]]], "tokens": [t.hex() for t in members]}
                    for w, members in sessions
                ],
                "absent": [TOKENS[8].hex(), "00" * 8, "ff" * 8],
            }
        )
    return found


def bad_rosters() -> list[dict]:
    good = roster_bytes("a-101", V * 1000, V, V + 72 * 3600, SESSIONS)
    inside = good[:-20]
    disorder = [((11, V + 3600, V + 1800, V + 7200, V + 7200), [])]
    twice = [SESSIONS[0], ((11, V + 5400, V + 7200, V + 10800, V + 10800), [])]
    odd_count = bytearray(inside)
    odd_count[52:54] = (4).to_bytes(2, "little")
    big_count = bytearray(inside)
    big_count[52:54] = (60000).to_bytes(2, "little")
    flipped = bytearray(good)
    flipped[70] ^= 1
    mac = bytearray(good)
    mac[-1] ^= 1
    rows = [
        ("nothing", b"", "roster-length"),
        ("the header only", good[:54], "roster-length"),
        ("cut off", good[:-1], "roster-checksum"),
        ("another format", roster_bytes("a-101", V * 1000, V, V, [], magic=b"MRO2"), "roster-magic"),
        ("one bit flipped", bytes(flipped), "roster-checksum"),
        ("a bit of the MAC flipped", bytes(mac), "roster-mac"),
        ("made with another key", roster_bytes("a-101", V * 1000, V, V, [], key="11" * 32), "roster-mac"),
        ("for another reader", roster_bytes("a-102", V * 1000, V, V, []), "roster-reader"),
        ("for nobody", roster_bytes("", V * 1000, V, V, []), "roster-reader"),
        ("for a name that is none", roster_bytes("A 101", V * 1000, V, V, []), "roster-reader"),
        ("a window out of order", roster_bytes("a-101", V * 1000, V, V, disorder), "roster-order"),
        ("a session twice", roster_bytes("a-101", V * 1000, V, V, twice), "roster-order"),
        ("a version past 63 bits", roster_bytes("a-101", 2**63, V, V, []), "roster-order"),
        ("more sessions than it holds, by one", signed(bytes(odd_count)), "roster-order"),
        ("60,000 sessions", signed(bytes(big_count)), "roster-length"),
        ("bytes behind the last token", signed(inside + bytes(8)), "roster-length"),
    ]
    return [{"name": n, "reader": "a-101", "key": KEY, "hex": b.hex(), "code": c} for n, b, c in rows]


def at(clock: str) -> int:
    """A time of day on 2026-09-21 UTC, as epoch milliseconds."""
    h, m, s = clock.split(":")
    seconds = datetime(2026, 9, 21, int(h), int(m), tzinfo=UTC).timestamp() + float(s)
    return round(seconds * 1000)


def window(id: int, starts: str, ends: str, before_min: int = 30, after_min: int = 0) -> list[int]:
    """A session's window by PORT-2: from 30 minutes before the start until the end."""
    first, last = at(starts + ":00"), at(ends + ":00")
    return [id, first - before_min * 60_000, first, last, last + after_min * 60_000]


def worths() -> list[dict]:
    nine, ten, eleven = window(9, "09:00", "10:00"), window(10, "10:00", "11:00"), window(11, "11:00", "12:00")
    graced = window(8, "09:00", "10:00", after_min=10)
    short = window(5, "09:20", "09:21", before_min=1)
    nothing, unsure = [None, False, True], [None, False, False]

    def credits(id):
        return [id, True, True]

    def repeats(id):
        return [id, False, True]

    # name | windows | recorded already | last green answer here: session, ms apart, give or take | when | give or take (ms) | worth
    table = [
        # PORT-2: a 9:00-10:00 class is open 8:30-10:00.
        ("PORT-2 one millisecond before it opens", [nine], [], None, "08:29:59.999", 0, nothing),
        ("PORT-2 opens at 8:30:00.000", [nine], [], None, "08:30:00.000", 0, credits(9)),
        ("PORT-2 at the start", [nine], [], None, "09:00:00.000", 0, credits(9)),
        ("PORT-5 late still counts: one minute before the end", [nine], [], None, "09:59:00", 0, credits(9)),
        ("PORT-2 at the very end", [nine], [], None, "10:00:00.000", 0, credits(9)),
        ("PORT-2 one millisecond after the end is outside", [nine], [], None, "10:00:00.001", 0, nothing),
        ("PORT-2 one second after the end is outside", [nine], [], None, "10:00:01.000", 0, nothing),
        ("PORT-2 a profile that keeps it open 10 minutes longer", [graced], [], None, "10:10:00.000", 0, credits(8)),
        ("PORT-2 and not a millisecond more", [graced], [], None, "10:10:00.001", 0, nothing),
        ("PORT-6 no session of the student's own", [], [], None, "09:00:00", 0, nothing),
        # The running one that is not yet recorded, else the next.
        ("running before next", [nine, ten], [], None, "09:45:00", 0, credits(9)),
        ("the running one is recorded: the next", [nine, ten], [9], None, "09:45:00", 0, credits(10)),
        ("recorded, and the next is not open yet: said again", [nine, ten], [9], None, "09:29:59.999", 0, repeats(9)),
        ("both recorded: the running one is said again", [nine, ten], [9, 10], None, "09:45:00", 0, repeats(9)),
        ("both on the minute: the one that begins", [nine, ten], [], None, "10:00:00.000", 0, credits(10)),
        ("on the minute, the one that begins is recorded", [nine, ten], [10], None, "10:00:00.000", 0, credits(9)),
        ("before both: the one that starts first", [nine, window(7, "08:45", "09:00")], [], None, "08:40:00", 0, credits(7)),
        ("the next goes before one that has just ended", [graced, ten], [], None, "10:05:00", 0, credits(10)),
        ("and before the one ahead of it that is open already", [ten, eleven], [], None, "10:30:00", 0, credits(10)),
        ("ended, still open, the next is recorded", [graced, ten], [10], None, "10:05:00", 0, credits(8)),
        ("two run at once: the one that began last", [window(1, "09:00", "12:00"), ten], [], None, "10:15:00", 0, credits(10)),
        ("two of the same time: the lower number", [window(2, "09:00", "10:00"), window(1, "09:00", "10:00")], [], None, "09:10:00", 0, credits(1)),
        # Within 120 s at one door a tap repeats the answer and credits nothing new.
        ("a second tap at once repeats, though the next is open", [nine, ten], [9], [9, 0, 0], "09:45:00", 0, repeats(9)),
        ("and 119.999 s later", [nine, ten], [9], [9, 119_999, 0], "09:46:59.999", 0, repeats(9)),
        ("120 s later it is a new tap: the next", [nine, ten], [9], [9, 120_000, 0], "09:47:00.000", 0, credits(10)),
        ("a repeat over the end of the session", [nine], [9], [9, 60_000, 0], "10:00:30", 0, repeats(9)),
        ("a repeat over back-to-back sessions", [nine, ten], [9], [9, 60_000, 0], "10:00:30", 0, repeats(9)),
        # A time that is not sure.
        ("unsure, the window's edge is far", [nine], [], None, "09:00:00", 60_000, credits(9)),
        ("unsure across the opening", [nine], [], None, "08:30:00.005", 10, unsure),
        ("sure again at the opening, to the millisecond", [nine], [], None, "08:30:00.010", 10, credits(9)),
        ("unsure across the end", [nine], [], None, "09:59:59.995", 10, unsure),
        ("just inside the end", [nine], [], None, "09:59:59.990", 10, credits(9)),
        ("unsure, outside on both sides", [nine], [], None, "10:00:05", 4_999, nothing),
        ("unsure, and touching the end", [nine], [], None, "10:00:05", 5_000, unsure),
        ("unsure between two back-to-back sessions", [nine, ten], [], None, "09:59:59", 2_000, unsure),
        ("unsure across the opening of the next, which does not matter", [nine, ten], [], None, "09:30:00", 2_000, credits(9)),
        ("unsure across the opening of the next, which does", [nine, ten], [9], None, "09:30:00", 2_000, unsure),
        ("a short session hidden in the doubt", [short], [], None, "09:30:00", 900_000, unsure),
        ("a short session that runs within the doubt, beside a long one", [nine, window(5, "09:18", "09:19")], [], None, "09:20:00", 300_000, unsure),
        ("a double tap on a clock that is unsure by more than the time between", [nine, ten], [9], [9, 2_000, 0], "09:45:02", 5_000, repeats(9)),
        ("121 s by one clock are 121 s, however wrong the clock", [nine, ten], [9], [9, 121_000, 0], "09:47:01", 2_000, credits(10)),
        # Between two boots only their times of day tell how far two taps are apart, with both uncertainties.
        ("110 s apart, give or take 9.999 s: surely a repeat", [nine, ten], [9], [9, 110_000, 9_999], "09:46:50", 5_000, repeats(9)),
        ("110 s apart, give or take 10 s: a repeat or the next, and a person must look", [nine, ten], [9], [9, 110_000, 10_000], "09:46:50", 5_000, unsure),
        ("130 s apart, give or take 10.001 s: the same doubt", [nine, ten], [9], [9, 130_000, 10_001], "09:47:10", 5_000, unsure),
        ("130 s apart, give or take 10 s: surely a new tap", [nine, ten], [9], [9, 130_000, 10_000], "09:47:10", 5_000, credits(10)),
        ("a doubt that changes nothing: said again or repeated is the same", [nine], [9], [9, 120_000, 10_000], "09:47:00", 5_000, repeats(9)),
        ("a repeat of 9, or 10 said again", [nine, ten], [9, 10], [9, 120_000, 10_000], "10:00:30", 5_000, unsure),
        ("a repeat, or a swipe after the end", [nine], [9], [9, 120_000, 10_000], "10:01:00", 5_000, unsure),
    ]  # fmt: skip
    return [
        {
            "name": name,
            "windows": windows,
            "recorded": recorded,
            "answer": answer,
            "at_ms": at(when),
            "uncertainty_ms": unsure_ms,
            "worth": expected,
        }
        for name, windows, recorded, answer, when, unsure_ms, expected in table
    ]


def vectors() -> dict:
    return {
        "about": "Made by tests/firmware/contract/make_vectors.py; replayed on CPython and on MicroPython.",
        "hmac": hmacs(),
        "tokens": tokens(),
        "statements": statements(),
        "unsayable": unsayable(),
        "malformed": malformed(),
        "topics": topics(),
        "envelopes": envelopes(),
        "rosters": rosters(),
        "bad_rosters": bad_rosters(),
        "worth": worths(),
    }


def text() -> str:
    """The whole file. One vector a line, so that a change shows as one line."""
    groups = []
    for name, rows in vectors().items():
        body = json.dumps(rows) if isinstance(rows, str) else "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]"
        groups.append(f"{json.dumps(name)}: {body}")
    return "{\n" + ",\n".join(groups) + "\n}\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PATH.read_text() == text() else "vectors.json is behind make_vectors.py: run it")
    PATH.write_text(text())
    print(f"{PATH.name}: {sum(len(v) for v in vectors().values() if isinstance(v, list))} vectors")
