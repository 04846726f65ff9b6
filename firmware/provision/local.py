"""The same on a Raspberry Pi, on the Pi itself: claim, settings in one step, its certificate, and what to look at next.

    sudo muster provision --pi --store https://muster.example --token ABCDE-…

The program is installed there already (docs/install.md); its self-test is `muster pi run` itself, which says what it finds.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware.provision.claim import Claimed, fingerprint
from firmware.provision.errors import ProvisionError
from firmware.provision.making import Made
from firmware.provision.talk import Talk

#: where packaging/systemd/muster-pi.service looks for them
SETTINGS = Path("/etc/muster/settings.json")
_SLOT = "slot"


def provision(
    token: str | None,
    path: Path,
    *,
    claim: Callable[[str, str], Claimed],
    talk: Talk,
    certify: Callable[[Path], int],
) -> Made:
    """This Pi becomes the slot's reader. certify: gets its certificate for the broker; its exit status.

    Raises ProvisionError(`board-taken`, `token-needed`, `settings-file`, `certificate`).
    """
    told: dict[str, Any] | None = _settings(path)
    claimed = None
    if told is not None and (token is None or told.get(_SLOT) == fingerprint(token)):
        talk.say(f"this Pi is {told['reader']} already")
    elif told is not None:
        raise ProvisionError(
            "board-taken",
            f"this Pi is the reader {told['reader']} ({path}). Let it deliver what it has (the doors page says what waits), "
            "then move that file and the folder of its journal away",
        )
    elif token is None:
        raise ProvisionError("token-needed", "this Pi is no reader yet: say the token of a slot with --token")
    else:
        # The file's place is tried before the token is used up.
        _write(path.with_name(path.name + ".try"), b"{}")
        path.with_name(path.name + ".try").unlink()
        claimed = claim(token, f"pi-{socket.gethostname()}"[:64])
        told = {**claimed.settings, _SLOT: fingerprint(token)}
        _write(path, json.dumps(told, indent=2).encode())
        talk.say(f"the store made the reader {told['reader']}, at {claimed.room}; its settings are in {path}")
    if told["broker"].get("tls", {}).get("certificate") and certify(path) != 0:
        raise ProvisionError("certificate", "it has no certificate for the broker yet: do it again with the same words")
    talk.say(f"next: systemctl enable --now muster-pi, and hold a card to it ({path} is read at its start)")
    return Made(
        reader=str(told["reader"]),
        room=claimed.room if claimed else None,
        replaces=claimed.replaces if claimed else None,
        found=(),
    )


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
