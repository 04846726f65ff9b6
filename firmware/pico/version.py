"""Which firmware this is, and when it was built. `muster release make` puts the release's own in this file's place."""

FIRMWARE = "muster-0.1.0"
#: Epoch seconds: no clock of a board that runs this can be earlier.
BUILT_S = 1_793_404_800  # 2026-10-31
