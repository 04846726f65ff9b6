"""The contract's errors: one tree, stable codes.

`Malformed` is theirs (bytes that do not follow the contract), `Misuse` is ours (a value that the
contract cannot carry). An expected refusal, such as a swipe outside every window, is a verdict, not an error.
"""


class ContractError(Exception):
    """Base of the tree. `code` is stable and for machines; the text tells a person what is wrong."""

    def __init__(self, code: str, text: str):
        super().__init__(text)
        #: stable, lower case with hyphens, such as `roster-checksum`
        self.code = code


class Malformed(ContractError):
    """What was received does not follow the contract."""


class Misuse(ContractError):
    """What was to be said cannot be said in the contract: a fault of the caller."""
