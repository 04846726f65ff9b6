"""What is stored of releases of the readers' program: lines of the inventory. No student is in it."""

from __future__ import annotations

from server.store import schema_releases as _R
from server.store.inventory import BYTES, WORD, Kept
from server.store.inventory_groups import RUNNING

RELEASES_ = (
    Kept(table=_R.release_key, holds="Public keys whose releases the store carries.", group=RUNNING,
         columns={"modulus": WORD}),
    Kept(table=_R.firmware_release, holds="Releases of the readers' program, as they were signed.", group=RUNNING,
         columns={"pack": BYTES}),
    Kept(table=_R.rollout, holds="When a release went out to readers, and where that stopped.", group=RUNNING,
         columns={"why": WORD}),
    Kept(table=_R.rollout_reader, holds="How far each reader was with it.", group=RUNNING),
)  # fmt: skip
