"""`python -m hardware`: what is made from the data. Without arguments the texts; with --pictures all drawings and cases too.

python -m hardware              # diagrams as text, netlists, tables, the values of the cases
python -m hardware --check      # says what is stale, and what is wrong with the data
make hardware                   # the texts and, with the tools it installs, the pictures and STL files
"""

import argparse
import sys
from pathlib import Path

from hardware import checks, enclosure, netlist, tables, wiring
from hardware.pins import MADE, READERS, pins


def texts() -> dict[Path, str]:
    """Every text that is made from the data, by its path."""
    made = {MADE / "door-check.py": checks.door(), MADE / "kiosk-check.py": checks.kiosk()}
    for board, reader in READERS.items():
        made[MADE / f"{reader}-wiring.yml"] = wiring.yaml(board)
        made[MADE / f"{reader}-netlist.txt"] = netlist.text(netlist.carrier(board))
        made[MADE / f"{reader}-tables.md"] = tables.page(board)
        made[MADE / f"case-{reader}.scad"] = enclosure.scad(enclosure.case(reader))
    return made


def faults() -> list[str]:
    """What is wrong with the data, in words."""
    found = [
        f"{board}: {fault}" for board in READERS for fault in netlist.faults(board, pins(board), netlist.carrier(board))
    ]
    return found + [
        f"case of the {name}: {fault}" for name in enclosure.CASES for fault in enclosure.faults(enclosure.case(name))
    ]


def stale() -> list[str]:
    """The made texts that are not what the data gives now."""
    return [path.name for path, text in texts().items() if not path.is_file() or path.read_text("utf-8") != text]


def main(argv: list[str]) -> int:
    """Returns the exit status: 0 done (or nothing stale), 1 something is wrong or missing, 2 called wrongly."""
    parser = argparse.ArgumentParser(prog="python -m hardware", description="Drawings, cases and tables from the data.")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is stale or wrong")
    parser.add_argument(
        "--pictures", action="store_true", help="draw too: needs wireviz, schemdraw, graphviz, openscad"
    )
    arguments = parser.parse_args(argv)
    wrong = faults()
    for fault in wrong:
        print(f"hardware: {fault}", file=sys.stderr)
    if wrong:
        return 1
    if arguments.check:
        old = stale()
        for name in old:
            print(f"hardware: made/{name} is stale: run `python -m hardware`", file=sys.stderr)
        return 1 if old else 0
    MADE.mkdir(exist_ok=True)
    for path, text in texts().items():
        path.write_text(text, "utf-8")
    if not arguments.pictures:
        return 0
    from hardware import pictures

    return pictures.make()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
