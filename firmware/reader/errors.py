"""The reader's errors: one tree, stable codes. Whatever goes wrong between tap and flush, the light is not green."""


class ReaderError(Exception):
    """Base of the tree. `code` is stable and goes into health reports; the text is for the technician."""

    code = "reader"

    def __init__(self, text: str):
        super().__init__(text)


class SettingsError(ReaderError):
    """The settings file is missing something or holds something that cannot be."""

    code = "settings"


class StorageFull(ReaderError):
    """There is no room, and everything kept still waits for its receipt. Nothing was overwritten."""

    code = "full"


class StorageFailed(ReaderError):
    """A write or a flush failed. Final: what the medium holds now is unknown, so it is never retried in this boot."""

    code = "storage"
