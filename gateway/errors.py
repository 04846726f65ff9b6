"""The gateway's errors: one tree with stable codes. The text says what is wrong and what to do next.

`SettingsError` ends the command. The others are conditions that pass: the gateway waits, says so once, and goes on.
"""


class GatewayError(Exception):
    """Base of the tree. `code` is stable and for machines; the text is for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        #: stable, lower case with hyphens, such as `store-unreachable`
        self.code = code


class SettingsError(GatewayError):
    """The command was called with something it cannot work with."""


class LinkError(GatewayError):
    """The broker cannot be reached, or refuses this gateway."""


class SpoolError(GatewayError):
    """The spool cannot be read or written now. Nothing is acknowledged meanwhile: the broker keeps it."""


class StoreAway(GatewayError):
    """The store cannot take anything now. Everything stays in the spool and is sent again."""


class StoreBroke(StoreAway):
    """The store failed at this very request (500): it may be away, or one item in it may be what breaks it."""


class StoreTooLarge(GatewayError):
    """The request was larger than the store takes (413): to be sent in smaller ones."""


class StoreRefused(GatewayError):
    """The store understood and refuses (another 4xx): at least one item of the request is at fault."""


def spool_failed(error: Exception) -> SpoolError:
    """What an error of SQLite or of the disk means for the spool, and what to do about it."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    code = {
        "SQLITE_FULL": "spool-full",
        "SQLITE_READONLY": "spool-readonly",
        "SQLITE_CANTOPEN": "spool-unopenable",
        "SQLITE_BUSY": "spool-busy",
        "SQLITE_CORRUPT": "spool-corrupt",
        "SQLITE_NOTADB": "spool-corrupt",
    }.get("_".join(str(name).split("_")[:2]), "spool-io")
    what = {
        "spool-full": "the disk of the spool is full: make room",
        "spool-readonly": "the spool is read-only: make its file and folder writable",
        "spool-unopenable": "the spool cannot be opened: does its folder exist, and may this user write there?",
        "spool-busy": "another process holds the spool: each gateway needs a spool of its own",
        "spool-corrupt": "the spool's file is damaged: move it away and keep it; readers offer again what has no receipt",
    }.get(code, "the disk of the spool fails")
    return SpoolError(code, f"{what} ({name})")
