"""The command `muster`: one table of sub-commands, of which only the one that runs is imported.

Each sub-command is a function `main(argv: list[str]) -> int` in the package it belongs to; its exit status is the
process's. This module imports nothing of ours at the top, so that `muster reader` on a small board never loads the
store, and a copy with only some extras installed still runs what it can.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import NamedTuple

OK, FAILED, USAGE = 0, 1, 2


class Command(NamedTuple):
    """One sub-command: where its function stands, which extra brings what it needs, and one line of help."""

    #: `module:function`, imported only when the sub-command runs.
    target: str
    #: The extra in pyproject.toml with its third-party packages.
    extra: str
    #: One line, without a full stop.
    help: str


#: A name is one word, or two where the second word belongs to another package than the first alone.
COMMANDS: dict[str, Command] = {
    "demo": Command(
        "simulator.demo:main", "simulator", "The whole line on this machine, with a campus of people in it"
    ),
    "server": Command("server.main:main", "server", "The store, its API and its pages"),
    "gateway": Command("gateway.main:main", "gateway", "MQTT in, spooled, forwarded to the store"),
    "gateway add": Command("server.staff_command:gateway", "server", "Make a gateway's token"),
    "gateway revoke": Command("server.staff_command:gateway_revoke", "server", "A gateway delivers no more"),
    "reader": Command("server.reader_command:main", "server", "Make a reader, its key and its configuration"),
    "reader heads": Command("server.heads_command:main", "server", "Thin what readers stated each minute, long ago"),
    "reader revoke": Command("server.revoke_command:revoke", "server", "Believe a reader no more that was stolen"),
    "reader release": Command("server.revoke_command:release", "server", "What it had before the theft counts"),
    "ca": Command("server.broker_command:ca", "server", "The institution's own certificate authority"),
    "broker": Command("server.broker_command:broker", "server", "Mosquitto's configuration, accounts and access list"),
    "staff": Command("server.staff_command:main", "server", "Make or change a staff account"),
    "import": Command("server.imports.command:main", "server", "Read OneRoster files or a timetable into the store"),
    "batch": Command(
        "server.teaching_command:batch", "server", "Batches of a skills programme: their days and classes"
    ),
    "programme": Command("server.teaching_command:programme", "server", "Programmes: which courses belong together"),
    "audit": Command("server.audit_command:main", "server", "Is the registers' history as it was written"),
    "person": Command("server.person_command:main", "server", "Everything about one person, and erasing who has left"),
    "card": Command("server.card_command:main", "server", "Cards that sign what they say"),
    "retention": Command("server.retention_command:main", "server", "What is old enough to go by the retention rules"),
    "mail": Command("server.mail_command:main", "server", "How mails by SMTP stand, and try them again"),
    "backup": Command("server.backup_command:main", "server", "Copy the store into one file, while the server runs"),
    "restore": Command("server.restore_command:main", "server", "Put a backup in the store's place"),
    "upgrade": Command("server.upgrade_command:main", "server", "Bring the store to this release, after a backup"),
    "pi certificate": Command("firmware.pi.certificate:main", "pi", "The Pi's own certificate, renewed in time"),
    "provision": Command(
        "firmware.provision.command:main", "provision", "Make a reader of a board that is plugged in, and test it"
    ),
    "pi": Command("firmware.pi.main:main", "pi", "The reader on a Raspberry Pi"),
    "release trust": Command("server.release_command:trust", "server", "Take releases that a key signed"),
    "release distrust": Command("server.release_command:distrust", "server", "Take no more releases of a key"),
    "release": Command("firmware.release.command:main", "release", "Make, sign and check a release of the firmware"),
}

#: Import names of the packages in this repository: a missing module among them is our fault, not a missing extra.
OURS = ("firmware", "gateway", "server", "simulator")


def usage() -> str:
    """The help text: how to call it, and a line for each sub-command."""
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        ["usage: muster COMMAND [ARGUMENT ...]", "", *lines, "", "`muster COMMAND --help` says what each one takes."]
    )


def load(command: Command) -> Callable[[list[str]], int]:
    """The sub-command's function. Raises ModuleNotFoundError where a package is missing, AttributeError never."""
    module, _, function = command.target.partition(":")
    return getattr(importlib.import_module(module), function)


def main(argv: list[str] | None = None) -> int:
    """Run the sub-command that `argv` names (default: the process's arguments). Returns the exit status.

    0: done. 1: a package that it needs is not installed. 2: no such sub-command. Anything else is the sub-command's.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return OK if arguments else USAGE
    if arguments[0] == "--version":
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"muster {version('muster')}")
        except PackageNotFoundError:
            print("muster, run from a copy that is not installed")
        return OK
    words = 2 if " ".join(arguments[:2]) in COMMANDS else 1
    name, rest = " ".join(arguments[:words]), arguments[words:]
    command = COMMANDS.get(name)
    if command is None:
        print(f"muster: no such command: {name}\n\n{usage()}", file=sys.stderr)
        return USAGE
    try:
        run = load(command)
    except ModuleNotFoundError as error:
        missing = error.name or "?"
        if missing.partition(".")[0] in OURS:
            print(f"muster {name}: this copy of Muster lacks {missing}. Is the clone complete?", file=sys.stderr)
        else:
            print(
                f"muster {name}: needs the package of {missing!r}, which is not installed. "
                f"Run `make setup`, or install the extra {command.extra!r}.",
                file=sys.stderr,
            )
        return FAILED
    return run(rest)


if __name__ == "__main__":
    sys.exit(main())
