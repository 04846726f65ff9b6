# ruff: noqa: PT017  a check says what holds for both outcomes, and pytest.raises allows only one
"""Fuzzed: what the contract reads."""

from collections.abc import Sequence

from firmware.contract import envelope, roster, statement, topics
from firmware.contract.errors import ContractError
from firmware.contract.mac import Key
from tests.fuzz.targets import Check, vectors


def text_of(data: bytes) -> str:
    """Any bytes as a text; not every text is UTF-8's."""
    return data.decode("utf-8", "surrogateescape")


def a_statement() -> tuple[Check, Sequence[bytes]]:
    """A line is refused with a code, or says the same again when written."""

    def check(data: bytes) -> None:
        try:
            said = statement.read(text_of(data))
        except ContractError as error:
            assert error.code.startswith("statement-"), error.code
            return
        assert statement.say(said.kind, said.reader, said.key, said.values) == said.text
        assert statement.seal(said.text, said.mac) == text_of(data)

    return check, [v["line"].encode() for v in vectors()["statements"]]


def an_envelope() -> tuple[Check, Sequence[bytes]]:
    """A message is refused with the one code, or brings texts."""

    def check(data: bytes) -> None:
        try:
            lines = envelope.unwrap(data)
        except ContractError as error:
            assert error.code == "envelope", error.code
            return
        assert 1 <= len(lines) <= envelope.LINES_MAX
        assert all(isinstance(line, str) for line in lines)

    return check, [bytes.fromhex(v["hex"]) for v in vectors()["envelopes"]]


def a_roster() -> tuple[Check, Sequence[bytes]]:
    """A roster is refused with a code; one that is believed can be asked everything."""
    made = vectors()["rosters"]
    key = Key(1, bytes.fromhex(made[0]["key"]))

    def check(data: bytes) -> None:
        for with_key in (None, key):
            try:
                found = roster.decode(data, with_key, made[0]["reader"])
            except ContractError as error:
                assert error.code.startswith("roster-"), error.code
                continue
            # With the key nothing but what was made with it is believed.
            assert with_key is None or data in examples, "a roster was believed that nobody made"
            found.is_fresh(found.version_ms)
            for listed in found.sessions:
                for place in range(min(3, listed.count)):
                    assert len(found.token(listed, place)) == 8
                found.find(listed, bytes(8))

    examples = [bytes.fromhex(v["hex"]) for v in made]
    return check, examples


def a_topic() -> tuple[Check, Sequence[bytes]]:
    """A topic is refused, or is the one that its parts make."""

    def check(data: bytes) -> None:
        try:
            found = topics.parse(text_of(data))
        except ContractError:
            return
        assert topics.topic(found.site, found.reader, found.kind) == text_of(data)

    return check, [v["topic"].encode() for v in vectors()["topics"]]
