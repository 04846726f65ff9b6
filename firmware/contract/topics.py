"""Topics: `muster/v1/{site}/{reader}/{kind}`. A reader publishes and subscribes under its own name only."""

from collections import namedtuple

from firmware.contract.errors import Malformed, Misuse

ROOT = "muster/v1"
UP = ("swipes", "hello", "head", "status", "health")  #: from the reader
DOWN = ("roster", "receipt", "command", "update")  #: to the reader
NAME_MAX = 32
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789-"

Topic = namedtuple("Topic", ("site", "reader", "kind"))


def is_name(text: str) -> bool:
    """Whether `text` may name a site or a reader: 1 to 32 of a-z, 0-9 and hyphen."""
    # `strip` takes the characters off in C, on both interpreters: what is left at its end did not belong there.
    return 1 <= len(text) <= NAME_MAX and not text.strip(_NAME)


def topic(site: str, reader: str, kind: str) -> str:
    """The topic for one kind of message of one reader. Raises Misuse for a name that cannot stand in a topic."""
    if not is_name(site) or not is_name(reader):
        raise Misuse("topic-name", "a site and a reader are named with 1 to 32 of a-z, 0-9 and hyphen")
    if kind not in UP and kind not in DOWN:
        raise Misuse("topic-kind", f"there is no kind of message {kind!r}")
    return f"{ROOT}/{site}/{reader}/{kind}"


def parse(text: str) -> "Topic":
    """The parts of a topic. Raises Malformed(`topic`) for anything that `topic` does not make."""
    parts = text.split("/")
    if len(parts) != 5 or parts[0] + "/" + parts[1] != ROOT or not is_name(parts[2]) or not is_name(parts[3]):
        raise Malformed("topic", "this is not a Muster topic: muster/v1/{site}/{reader}/{kind}")
    if parts[4] not in UP and parts[4] not in DOWN:
        raise Malformed("topic", "this topic names no kind of message that Muster knows")
    return Topic(parts[2], parts[3], parts[4])
