"""The words of `muster demo`: its options, and what of them makes no sense."""

import argparse
from datetime import date
from pathlib import Path

from simulator.faults import KINDS
from simulator.play import Script

#: who lives in the residence beside the doors, where nothing is said
RESIDENTS, KIOSKS = 16, 2


def parser(description: str) -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="muster demo", description=description)
    parser.add_argument("--check", action="store_true", help="bounded: play, compare, print one JSON object, end")
    parser.add_argument("--json", action="store_true", help="with --check: the result as the last line")
    parser.add_argument("--readers", type=int, default=6, help="doors (6)")
    parser.add_argument("--micropython", type=int, help="of these, how many run on real MicroPython (at most 8)")
    parser.add_argument("--students", type=int, default=300, help="students of an invented campus (300)")
    parser.add_argument("--swipes", type=int, help="cards to be held to doors (1500; a handed-over day: all of it)")
    parser.add_argument("--seed", type=int, default=7, help="of campus, people and faults (7)")
    parser.add_argument("--gateways", type=int, default=1, help="gateways that share the broker (1)")
    parser.add_argument("--broker", metavar="mqtt://…", help="a broker that runs already; else one in memory (iotcore)")
    parser.add_argument("--database", metavar="postgresql://…", help="an empty database; else SQLite")
    parser.add_argument(
        "--faults", nargs="?", const=",".join(KINDS), default="", help=f"some or all of {','.join(KINDS)}"
    )
    parser.add_argument("--fault-every", type=float, default=4.0, help="mean seconds between two faults (4)")
    parser.add_argument(
        "--campus", type=Path, metavar="DIR", help="a campus as OneRoster CSV, cards.csv, timetable.ics"
    )
    parser.add_argument(
        "--day", type=date.fromisoformat, help="with --campus or --residence-only: the day to play (YYYY-MM-DD)"
    )
    parser.add_argument("--speed", type=int, default=60, help="with --campus: how much faster than ours (60)")
    parser.add_argument("--zone", default="Europe/London", help="IANA time zone of the campus")
    parser.add_argument("--residents", type=int, help=f"who live in the residence; 0: there is none ({RESIDENTS})")
    parser.add_argument("--kiosks", type=int, default=KIOSKS, help=f"at how many kiosks they check in ({KIOSKS})")
    parser.add_argument("--residence-only", action="store_true", help="with --check: the residence without any doors")
    parser.add_argument("--port", type=int, default=0, help="of the corridor page (any free one)")
    parser.add_argument("--data", type=Path, help="keep everything in this folder (else a temporary one)")
    return parser


def script(arguments: argparse.Namespace) -> Script:
    """What was asked for. Raises ValueError saying what makes no sense."""
    if arguments.data is not None and arguments.data.exists() and any(arguments.data.iterdir()):
        raise ValueError(f"--data: {arguments.data} is not empty; a demo begins with a new folder")
    kinds = tuple(filter(None, arguments.faults.split(",")))
    if set(kinds) - set(KINDS):
        raise ValueError(f"--faults takes {', '.join(KINDS)}")
    alone = arguments.residence_only
    if not alone and (arguments.campus is None) != (arguments.day is None):
        raise ValueError("--campus and --day go together")
    if (arguments.campus is not None or alone) and not arguments.check:
        raise ValueError("--campus is played with --check, and so is --residence-only")
    if arguments.campus is not None and (arguments.residents or alone):
        raise ValueError("a campus that is handed over has no residence: leave out --residents and --residence-only")
    residents = arguments.residents
    if residents is None:
        residents = 0 if arguments.campus else min(RESIDENTS, arguments.students)
    if alone:
        arguments.readers, arguments.students = 1, max(1, residents)
    if (residents and not 1 <= arguments.kiosks <= min(16, residents)) or residents > arguments.students:
        raise ValueError("1 to 16 kiosks, at least as many residents, and at least as many students as residents")
    if alone and not residents:
        raise ValueError("--residence-only needs residents")
    if not 1 <= arguments.readers <= 400 or arguments.students < arguments.readers or arguments.gateways < 1:
        raise ValueError("1 to 400 readers, at least as many students, at least one gateway")
    most = 8 if arguments.micropython is None else arguments.micropython
    return Script(
        readers=arguments.readers,
        students=arguments.students,
        seed=arguments.seed,
        micropython=most,
        gateways=arguments.gateways,
        broker=arguments.broker,
        database=arguments.database,
        faults=kinds,
        fault_every_s=arguments.fault_every,
        campus=arguments.campus,
        day=arguments.day,
        speed=arguments.speed if arguments.campus else 1,
        zone=arguments.zone,
        residents=residents,
        kiosks=min(arguments.kiosks, residents) if arguments.residents is None else arguments.kiosks,
        residence_only=alone,
    )
