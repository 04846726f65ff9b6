"""One target under atheris, in a process of its own: `python -m tests.fuzz.coverage TARGET [libFuzzer options]`."""

import sys

import atheris

from tests.fuzz.targets import TARGETS, prepare


def main(argv: list[str]) -> None:
    """Fuzz until the options say that it is enough. Exits like libFuzzer: 77 for a finding, with the bytes in a file."""
    name, *options = argv
    with atheris.instrument_imports(include=list(TARGETS[name].instrument)):
        check, _ = prepare(name)
    atheris.Setup([name, *options], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
