"""The errors of making a release: one tree, stable codes, and a text that says what to do next."""


class ReleaseError(Exception):
    """It cannot be made, signed or believed. `code` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
