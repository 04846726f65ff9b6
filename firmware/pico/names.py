"""Names of files on a Pico that provisioning and the board must agree on. Constants only: both interpreters read it."""

#: the reader's settings, written last when a board is provisioned
SETTINGS = "settings.json"
#: while this is there the board does not start the reader: a technician's machine works on it
HOLD = "hold"
