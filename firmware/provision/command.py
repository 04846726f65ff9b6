"""The command `muster provision`: makes a reader of the board that is plugged in, tests it, and prints its label.

    muster provision --port /dev/ttyACM0 --store https://muster.example --token ABCDE-… --wifi campus-iot

Without --token the board is a reader already: its firmware is brought up to date, and it is tested again; with --wifi it
joins that one from now on.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from firmware.provision import bench, bundle, claim, label, local, port, selftest
from firmware.provision.errors import PortLost, ProvisionError
from firmware.provision.making import Made, Making, Wanted
from firmware.provision.talk import Found, Talk, Terminal
from firmware.reader.errors import SettingsError
from firmware.reader.settings import release_keys

OK, FAILED, USAGE = 0, 1, 2
#: how long a board that was unplugged is waited for, and at first
BACK_S = 300.0
#: bytes of a Wi-Fi's name, and of its password: a passphrase of 8 to 63, or 64 hex digits (IEEE 802.11, WPA2)
SSID_MOST, WPA = 32, (8, 64)


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
            wifi=None if arguments.pi else _wifi(arguments, needed=token is not None),
            wipe=arguments.wipe,
            card=not arguments.no_card,
            self_test=not arguments.no_test,
            line_ms=int(arguments.line_s * 1000),
            release=_release(arguments.release),
        )
        at = claim.Store(address=store, ca=arguments.ca, kind="pi" if arguments.pi else "pico")
        if arguments.pi:
            made = local.provision(
                token,
                arguments.settings,
                claim=at.claim,
                talk=talk,
                certify=partial(_certify, store, arguments.ca),
                test=None if arguments.no_test else partial(_test, arguments, talk),
                running=bench.running,
                release=wanted.release,
                data=arguments.data,
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
    parser.add_argument("--data", type=Path, default=local.DATA, help="with --pi: folder of its journal")
    parser.add_argument("--chip", default=bench.CHIP, help="with --pi: serial port of its PN532")
    parser.add_argument("--mock-pins", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--release",
        type=Path,
        help="whose releases it takes: what `muster release keys` printed (what the store trusts)",
    )
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
    text = arguments.token if arguments.token != "-" else _typed("Token, typed or scanned: ")
    store, token = claim.scanned(text)
    store = arguments.store or store or ""
    if not store:
        raise ProvisionError("usage", "say with --store where the store is")
    if not token:
        raise ProvisionError("usage", "say the slot's token with --token")
    return store, token


def _typed(question: str) -> str:
    """What somebody types without its being shown. Raises ProvisionError(`usage`) where nobody is there."""
    try:
        return getpass.getpass(question)
    except EOFError:
        raise ProvisionError("usage", "nobody is there to type it: give this at a terminal") from None


def _wifi(arguments: argparse.Namespace, *, needed: bool) -> dict[str, str] | None:
    """The Wi-Fi that it joins; None: it has none, or (where a reader is tested again) keeps what it has."""
    if arguments.no_wifi or (arguments.wifi is None and not needed):
        return None
    if not arguments.wifi:
        raise ProvisionError("usage", "say with --wifi which Wi-Fi the reader joins")
    if arguments.wifi_password_file is None:
        if arguments.unattended:
            raise ProvisionError("usage", "say with --wifi-password-file where the Wi-Fi's password is")
        password = _typed(f"Password of {arguments.wifi}: ")
    else:
        try:
            password = arguments.wifi_password_file.read_text("utf-8").split("\n", 1)[0].rstrip("\r")
        except (OSError, UnicodeDecodeError):
            raise ProvisionError("wifi-password-file", f"{arguments.wifi_password_file} cannot be read") from None
    length = len(password.encode())
    if len(arguments.wifi.encode()) > SSID_MOST or (length and not WPA[0] <= length <= WPA[1]):
        # Before a token is used up for a board that would never join. An open one has no password.
        raise ProvisionError(
            "wifi",
            f"a Wi-Fi's name has at most {SSID_MOST} bytes, and its password {WPA[0]} to {WPA[1]}: type them again",
        )
    return {"ssid": arguments.wifi, "password": password}


def _release(path: Path | None) -> dict[str, Any] | None:
    """What the file says of keys, as a reader reads it: one that it does not understand would keep it from starting."""
    if path is None:
        return None
    try:
        found = json.loads(path.read_text("utf-8-sig"))["release"]
        keys = release_keys(found)
    except (OSError, ValueError, KeyError, TypeError, SettingsError):
        keys = ()
    if not keys:
        raise ProvisionError("release-keys", f"{path} holds no release keys: it is what `muster release keys` printed")
    return {"keys": [{"id": one.id, "n": f"{one.n:x}"} for one in keys]}


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
    """The Pi's certificate for the broker, asked for under the key that it has just got; and where its renewal will ask
    (packaging/systemd/muster-pi-certificate.service)."""
    known = [f"STORE={store}"]
    if ca is not None:
        os.environ["SSL_CERT_FILE"] = str(ca)
        known.append(f'SSL_CERT_FILE="{ca.resolve()}"')
    try:
        if store:
            settings.with_name("pi.env").write_text("\n".join(known) + "\n", "utf-8")
    except OSError as error:
        raise ProvisionError("settings-file", f"pi.env cannot be written beside {settings}: {error.strerror}") from None
    from firmware.pi import certificate

    return certificate.main(["--settings", str(settings), "--store", store])


def _test(arguments: argparse.Namespace, talk: Talk, settings: dict[str, Any]) -> tuple[Found, ...]:
    """The self-test of this very Pi."""
    with bench.ThisPi(settings, data=arguments.data, chip=arguments.chip, mock_pins=arguments.mock_pins) as pi:
        steps = selftest.run(pi, talk, card=not arguments.no_card, line_ms=int(arguments.line_s * 1000))
        return selftest.told(steps, talk)


def _end(made: Made, store: str, path: Path | None, talk: Talk) -> int:
    wrong = [one for one in made.found if one.ok is False]
    labelled = made.room is None or _label(made.reader, made.room, store, path, talk)
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
    return OK if labelled else FAILED


def _label(reader: str, room: str, store: str, path: Path | None, talk: Talk) -> bool:
    """Whether it stands in its file now; on the screen it stands in any case."""
    talk.say(label.text(store, reader, room))
    path = path or Path(f"{reader}-label.svg")
    try:
        path.write_text(label.svg(store, reader, room), "utf-8")
    except OSError as error:
        talk.say(
            f"{path} cannot be written ({error.strerror}): for the label give the same words again, and --label FILE"
        )
        return False
    talk.say(f"label: {path}")
    return True
