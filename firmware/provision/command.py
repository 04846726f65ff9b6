"""The command `muster provision`: makes a reader of the board that is plugged in, tests it, and prints its label.

    muster provision --port /dev/ttyACM0 --store https://muster.example --token ABCDE-… --wifi campus-iot

Without --token the board is a reader already: its firmware is brought up to date, and it is tested again.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from firmware.provision import bundle, claim, label, local, port, selftest
from firmware.provision.errors import PortLost, ProvisionError
from firmware.provision.making import Made, Making, Wanted
from firmware.provision.talk import Talk, Terminal

OK, FAILED, USAGE = 0, 1, 2
#: how long a board that was unplugged is waited for, and at first
BACK_S = 300.0


def main(argv: list[str]) -> int:
    """The command. 0: a reader, and nothing was wrong with it. 1: it could not be made, or a step of its test is wrong."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as leave:
        return int(leave.code or 0)
    talk = Terminal(attended=not arguments.unattended)
    try:
        store, token = _slot(arguments)
        wanted = Wanted(
            token=token,
            wifi=_wifi(arguments) if token is not None and not arguments.pi else None,
            wipe=arguments.wipe,
            card=not arguments.no_card,
            self_test=not arguments.no_test,
            line_ms=int(arguments.line_s * 1000),
        )
        at = claim.Store(address=store, ca=arguments.ca, kind="pi" if arguments.pi else "pico")
        if arguments.pi:
            made = local.provision(
                token, arguments.settings, claim=at.claim, talk=talk, certify=partial(_certify, store, arguments.ca)
            )
            return _end(made, store, arguments.label, talk)
        path = arguments.port or port.find()
        made = Making(
            wanted,
            bundle.layout(),
            opened=_opener(path, talk),
            claim=at.claim,
            talk=talk,
        ).run()
    except ProvisionError as error:
        print(f"muster provision: {error} [{error.code}]", file=sys.stderr)
        return USAGE if error.code == "usage" else FAILED
    except KeyboardInterrupt:
        print("muster provision: stopped. It can be done again with the same words.", file=sys.stderr)
        return FAILED
    return _end(made, store, arguments.label, talk)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="muster provision", description="Makes a reader of a board that is plugged in."
    )
    parser.add_argument("--port", help="where the board is, such as /dev/ttyACM0 (the only one that is plugged in)")
    parser.add_argument("--store", default="", help="the store's address, https://name[:port]")
    parser.add_argument(
        "--token", help="a slot's one-time token, or what its QR says; - asks for it. Without: test it again"
    )
    parser.add_argument("--ca", type=Path, help="a file of certificates that the store's is signed by, PEM")
    wifi = parser.add_mutually_exclusive_group()
    wifi.add_argument("--wifi", metavar="SSID", help="the Wi-Fi that it joins; the password is asked for")
    wifi.add_argument("--no-wifi", action="store_true", help="it needs none (the unix port)")
    parser.add_argument("--wifi-password-file", type=Path, help="a file whose first line is the password")
    parser.add_argument("--pi", action="store_true", help="this very machine, a Raspberry Pi, becomes the reader")
    parser.add_argument("--settings", type=Path, default=local.SETTINGS, help="with --pi: where its settings go")
    parser.add_argument("--wipe", action="store_true", help="lose what a reader before this one recorded on the board")
    parser.add_argument("--no-card", action="store_true", help="wait for no card in the self-test")
    parser.add_argument("--no-test", action="store_true", help="no self-test")
    parser.add_argument("--unattended", action="store_true", help="ask nothing: nobody looks at the lights")
    parser.add_argument("--line-s", type=float, default=selftest.LINE_MS / 1000, help=argparse.SUPPRESS)
    parser.add_argument("--label", type=Path, help="where the label goes, SVG (NAME-label.svg)")
    return parser


def _slot(arguments: argparse.Namespace) -> tuple[str, str | None]:
    """(store, token)."""
    if arguments.token is None:
        return arguments.store, None
    text = arguments.token if arguments.token != "-" else getpass.getpass("Token, typed or scanned: ")
    store, token = claim.scanned(text)
    store = arguments.store or store or ""
    if not store:
        raise ProvisionError("usage", "say with --store where the store is")
    if not token:
        raise ProvisionError("usage", "say the slot's token with --token")
    return store, token


def _wifi(arguments: argparse.Namespace) -> dict[str, str] | None:
    if arguments.no_wifi:
        return None
    if not arguments.wifi:
        raise ProvisionError("usage", "say with --wifi which Wi-Fi the reader joins")
    if arguments.wifi_password_file is None:
        if arguments.unattended:
            raise ProvisionError("usage", "say with --wifi-password-file where the Wi-Fi's password is")
        return {"ssid": arguments.wifi, "password": getpass.getpass(f"Password of {arguments.wifi}: ")}
    try:
        password = arguments.wifi_password_file.read_text("utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        raise ProvisionError("wifi-password-file", f"{arguments.wifi_password_file} cannot be read") from None
    return {"ssid": arguments.wifi, "password": password}


def _opener(path: str, talk: Talk) -> Callable[[], port.Port]:
    """Waits for the port; says so where it is not there."""

    def opened() -> port.Port:
        try:
            return port.wait(path, 3.0)
        except PortLost:
            talk.say(f"waiting for the board at {path} (Ctrl-C ends it)")
            return port.wait(path, BACK_S)

    return opened


def _certify(store: str, ca: Path | None, settings: Path) -> int:
    """The Pi's certificate for the broker, asked for under the key that it has just got."""
    if ca is not None:
        os.environ["SSL_CERT_FILE"] = str(ca)
    from firmware.pi import certificate

    return certificate.main(["--settings", str(settings), "--store", store])


def _end(made: Made, store: str, path: Path | None, talk: Talk) -> int:
    wrong = [one for one in made.found if one.ok is False]
    if made.room is not None:
        path = path or Path(f"{made.reader}-label.svg")
        path.write_text(label.svg(store, made.reader, made.room), "utf-8")
        talk.say(label.text(store, made.reader, made.room))
        talk.say(f"label: {path}")
    if made.replaces is not None:
        talk.say(
            f"{made.replaces} serves this door no more. Leave it on the network until the doors page says that nothing waits "
            "at it"
        )
    if wrong:
        talk.say(f"{made.reader} is a reader, and its test found: {'; '.join(one.words for one in wrong)}")
        talk.say("put that right, then test it again: muster provision without --token")
        return FAILED
    talk.say(f"{made.reader} is ready")
    return OK
