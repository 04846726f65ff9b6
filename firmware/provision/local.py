"""The same on a Raspberry Pi, on the Pi itself: claim, settings in one step, its certificate, and the self-test.

    sudo muster provision --pi --store https://muster.example --token ABCDE-…

The program is installed there already (docs/install.md), and its service does not run yet, or was stopped: chip, pins and
journal are one process's.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware.provision import making
from firmware.provision.claim import Claimed, fingerprint
from firmware.provision.errors import ProvisionError
from firmware.provision.making import Made
from firmware.provision.talk import Found, Talk

#: where packaging/systemd/muster-pi.service looks for them
SETTINGS, DATA = Path("/etc/muster/settings.json"), Path("/var/lib/muster-reader")


def provision(
    token: str | None,
    path: Path,
    *,
    claim: Callable[[str, str], Claimed],
    talk: Talk,
    certify: Callable[[Path], int],
    test: Callable[[dict[str, Any]], tuple[Found, ...]] | None = None,
    running: Callable[[], str] = lambda: "",
    release: dict[str, Any] | None = None,
    data: Path = DATA,
) -> Made:
    """This Pi becomes the slot's reader, and is tested. certify: gets its certificate for the broker; its exit status.
    test: the self-test under these settings; None: none. running: the service that holds chip, pins and journal.
    release: as in `making.Wanted`. data: folder of its journal.

    Raises ProvisionError(`board-taken`, `board-journal`, `token-needed`, `settings-file`, `certificate`, `service-runs`).
    """
    if test is not None and (name := running()):
        # Before the token is used up.
        raise ProvisionError(
            "service-runs", f"{name} runs, and has chip, lights and journal: systemctl stop {name}, then the same words"
        )
    told: dict[str, Any] | None = _settings(path)
    if told is not None and (token is None or told.get(making.SLOT_OF) == fingerprint(token)):
        talk.say(f"this Pi is {told['reader']} already")
        if release not in (None, told.get(making.RELEASE)):
            told = told | {making.RELEASE: release}
            _write(path, json.dumps(told, indent=2).encode())
            talk.say("its settings say whose releases it takes")
    elif told is not None:
        raise ProvisionError(
            "board-taken",
            f"this Pi is the reader {told['reader']} ({path}). Let it deliver what it has (the doors page says what waits), "
            f"then move that file away, and all that is in {data}: not the folder, which belongs to the reader's user",
        )
    elif token is None:
        raise ProvisionError("token-needed", "this Pi is no reader yet: say the token of a slot with --token")
    elif any(data.glob("journal-*.db")):
        # Signed under a key that this reader will not have: they would wait here for ever, and others' taps with them.
        raise ProvisionError(
            "board-journal",
            f"{data} holds records of a reader before this one, that the store may not have: put that one's settings back "
            "and let it deliver, or move all that is in that folder away (not the folder)",
        )
    else:
        # The file's place is tried before the token is used up.
        _write(path.with_name(path.name + ".try"), b"{}")
        path.with_name(path.name + ".try").unlink()
        claimed = claim(token, f"pi-{socket.gethostname()}"[:64])
        told = making.settled(claimed, token, release)
        _write(path, json.dumps(told, indent=2).encode())
        talk.say(f"the store made the reader {told['reader']}, at {claimed.room}; its settings are in {path}")
    certified = bool(told["broker"].get("tls", {}).get("certificate"))
    if certified and certify(path) != 0:
        raise ProvisionError("certificate", "it has no certificate for the broker yet: do it again with the same words")
    found: tuple[Found, ...] = ()
    if test is not None and "pin_key" in told:
        talk.say("this is a kiosk: it is tested by hand, as hardware/acceptance.md says")
    elif test is not None:
        found = test(told)
    talk.say(f"next: systemctl enable --now muster-pi ({path} is read at its start)")
    if certified:
        # Without it the broker shuts the door's line after thirty days.
        talk.say("and: systemctl enable --now muster-pi-certificate.timer, which renews its certificate")
    return making.made(told, token, found)


def _settings(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise ProvisionError(
            "settings-file", f"{path} cannot be read as settings: look at it, or move it away"
        ) from None
    return found if isinstance(found, dict) and "reader" in found else None


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and for its owner alone, whenever the power fails."""
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ProvisionError("settings-file", f"{path} cannot be written ({error.strerror}): are you root?") from None
