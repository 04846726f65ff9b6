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
