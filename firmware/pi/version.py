"""Which firmware this is. `muster release make` puts the release's own in this file's place."""

FIRMWARE = "pi-0.1.0"
