"""`muster release keys|make|sign|verify`: releases of the boards' firmware, with a key that no server ever holds.

muster release keys release-key.pem                     once, on a machine without a network; prints what readers need
muster release make --board pico --version 0.2.0 --counter 7 --out muster-0.2.0.pack
muster release sign muster-0.2.0.pack --key release-key.pem
muster release verify muster-0.2.0.pack --settings settings.json
"""

import argparse
import getpass
import json
import os
import re
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from firmware.contract import release
from firmware.reader import settings as reader_settings
from firmware.reader.errors import SettingsError
from firmware.release import make, pack
from firmware.release.errors import ReleaseError

OK, FAILED, USAGE = 0, 1, 2
#: a reader says it in its hello, as a word; the store takes no other (server/release_pack.py)
VERSION = re.compile(r"[A-Za-z0-9._+-]{1,32}")


def main(argv: list[str]) -> int:
    """The command. Returns the exit status: 0 done, 1 refused, 2 called wrongly."""
    parser = argparse.ArgumentParser(prog="muster release", description="Releases of the boards' firmware.")
    commands = parser.add_subparsers(dest="command", required=True)
    keys = commands.add_parser("keys", help="make the key that signs releases")
    keys.add_argument("key", type=Path, help="the private key's file, made; keep it offline")
    keys.add_argument("--id", type=int, default=1, help="the key's number, 1 to 255 (default: 1)")
    keys.add_argument("--no-passphrase", action="store_true", help="do not ask for a passphrase to lock the file with")
    new = commands.add_parser("make", help="compile and pack this copy of Muster")
    new.add_argument("--board", choices=sorted(release.SIZE_MAX), required=True)
    new.add_argument("--version", required=True, help="what readers say they run, such as 0.2.0")
    new.add_argument("--counter", type=int, required=True, help="higher than that of any release before")
    new.add_argument(
        "--minimum", type=int, default=0, help="readers below this counter must take another release first"
    )
    new.add_argument("--key-id", type=int, default=1, help="the number of the key that will sign (default: 1)")
    new.add_argument("--out", type=Path, required=True, help="the pack, made")
    sign = commands.add_parser("sign", help="sign a pack")
    sign.add_argument("pack", type=Path)
    sign.add_argument("--key", type=Path, required=True, help="the private key's file")
    verify = commands.add_parser("verify", help="check a pack as a reader does, and say what is in it")
    verify.add_argument("pack", type=Path)
    verify.add_argument("--settings", type=Path, required=True, help="a reader's settings, or what `keys` printed")
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as leave:
        return int(leave.code or 0)
    try:
        {"keys": _keys, "make": _make, "sign": _sign, "verify": _verify}[arguments.command](arguments)
    except OSError as error:
        print(f"muster release: {_of_file(error)}", file=sys.stderr)
        return FAILED
    except (ReleaseError, SettingsError, ValueError) as error:
        print(f"muster release: {error}", file=sys.stderr)
        return FAILED
    return OK


def _of_file(error: OSError) -> str:
    """What to do about a file that cannot be read or written."""
    if isinstance(error, FileExistsError):
        return (
            f"{error.filename} is there already, and a key is never written over another: name a file that is not there"
        )
    if isinstance(error, FileNotFoundError):
        return f"{error.filename} is not there: look at its name, and at its folder's"
    return f"{error.filename or 'a file'}: {error.strerror}: look at who may read and write it, and at the room on the disk"


def _keys(arguments: argparse.Namespace) -> None:
    if not 1 <= arguments.id <= 255:
        raise ReleaseError("release-key", "a key's number is 1 to 255")
    key = rsa.generate_private_key(public_exponent=65537, key_size=reader_settings.RELEASE_KEY_BITS)
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if not arguments.no_passphrase:
        locked = serialization.BestAvailableEncryption(_passphrase("A passphrase for the release key: "))
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    # Never over a key that is there: readers that know only that one would take no release any more.
    with os.fdopen(os.open(arguments.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
    print(json.dumps({"release": {"keys": [{"id": arguments.id, "n": f"{pack.public(key):x}"}]}}))
    print("Put this into the readers' settings when they are made. Keep the key's file offline.", file=sys.stderr)


def _make(arguments: argparse.Namespace) -> None:
    if not VERSION.fullmatch(arguments.version):
        raise ReleaseError("release-version", "a version is 1 to 32 letters, digits and . _ + -, such as 0.2.0")
    built_s = int(time.time())
    made = pack.put_together(
        make.files(arguments.board, arguments.version, built_s),
        board=arguments.board,
        version=arguments.version,
        counter=arguments.counter,
        minimum=arguments.minimum,
        built_s=built_s,
        key=arguments.key_id,
    )
    arguments.out.write_bytes(made)
    print(f"{arguments.out}: {len(made)} bytes, not signed: `muster release sign {arguments.out} --key KEY`")


def _sign(arguments: argparse.Namespace) -> None:
    text = arguments.key.read_bytes()
    try:
        key = serialization.load_pem_private_key(text, None)
    except TypeError:  # it is locked
        key = serialization.load_pem_private_key(text, _passphrase("The release key's passphrase: "))
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ReleaseError("release-key", "a release key is RSA of 3,072 bits: make one with `muster release keys`")
    made = pack.sign(arguments.pack.read_bytes(), key)
    beside = arguments.pack.with_name(arguments.pack.name + ".part")
    beside.write_bytes(made)
    beside.replace(arguments.pack)
    print(f"{arguments.pack}: signed")


def _verify(arguments: argparse.Namespace) -> None:
    data = json.loads(arguments.settings.read_text())
    keys = reader_settings.release_keys(data.get("release")) if isinstance(data, dict) else ()
    found = pack.verify(arguments.pack.read_bytes(), keys)
    said = found.manifest
    print(f"version {said.version} for {said.board}, counter {said.counter}, from counter {said.minimum} on")
    print(f"built {time.strftime('%Y-%m-%d %H:%M', time.gmtime(said.built_s))} UTC, signed by key {said.key}")
    for entry in said.entries:
        print(f"{entry.sha256.hex()} {entry.size:>7} {entry.name}")


def _passphrase(prompt: str) -> bytes:
    try:
        found = getpass.getpass(prompt)
    except EOFError:
        raise ReleaseError(
            "release-passphrase", "nobody is there to give the passphrase: give it at a terminal"
        ) from None
    if not found:
        raise ReleaseError(
            "release-passphrase", "an empty passphrase locks nothing: use --no-passphrase if you mean it"
        )
    return found.encode()
