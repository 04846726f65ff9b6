"""The board's table of pins and flash, and the runner that starts the Pico's program on the unix port."""

import ast
import json
import subprocess

import pytest

from simulator.unixport import runner


def constants(repo, name):
    """Module-level constants of a file that CPython cannot import, because `machine` is not there."""
    tree = ast.parse((repo / name).read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = eval(compile(ast.Expression(node.value), name, "eval"), {}, found)
    return found


def test_every_pin_has_one_purpose_and_suits_it(repo):
    pins = dict(constants(repo, "firmware/pico/board.py")["PINS"])
    assert len(set(pins.values())) == len(pins)
    # RP2040 datasheet 1.4.3: I2C0 SDA on 0, 4, 8 ..., SCL on the next; PWM slice is (pin // 2) % 8, channel pin % 2.
    assert pins["pn532-sda"] % 4 == 0
    assert pins["pn532-scl"] == pins["pn532-sda"] + 1
    lights = [pins[name] for name in ("light-red", "light-green", "light-blue", "buzzer")]
    assert len({(pin // 2 % 8, pin % 2) for pin in lights}) == len(lights)
    # 23, 24, 25 and 29 belong to the Pico W's radio.
    assert not {23, 24, 25, 29} & set(pins.values())


def test_files_and_journal_fill_the_storage_of_a_pico_w_exactly(repo):
    board = constants(repo, "firmware/pico/board.py")
    assert board["FILES_BYTES"] + board["JOURNAL_BYTES"] == 848 * 1024
    assert board["FILES_BYTES"] % 4096 == board["JOURNAL_BYTES"] % 4096 == 0


@pytest.mark.parametrize("folder", ["firmware", "simulator", "server", "gateway"])
def test_machine_network_and_rp2_are_imported_by_the_board_only(repo, folder):
    # The two last are a board's own start on the unix port: they mount its flash.
    allowed = {
        "firmware/pico/board.py",
        "firmware/pico/_boot.py",
        "simulator/unixport/start.py",
        "simulator/unixport/prompt.py",
    }
    for path in sorted((repo / folder).rglob("*.py")):
        names = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        if {"machine", "network", "rp2"} & names:
            assert str(path.relative_to(repo)) in allowed


@pytest.mark.needs("micropython")
def test_what_is_compiled_is_kept_and_compiled_anew_only_when_it_changed(tmp_path):
    first = runner.build(tmp_path)
    assert runner.build(tmp_path) == first
    assert (first / "code" / "firmware" / "pico" / "main.mpy").exists()
    assert (first / "board" / "machine.mpy").exists()
    assert not (first / "code" / "firmware" / "pico" / "_boot.mpy").exists()


@pytest.mark.needs("micropython")
def test_bytecode_of_another_version_is_refused_with_what_to_do(tmp_path):
    compiled = tmp_path / "x.mpy"
    compiled.write_bytes(b"M\x05\x00\x1f")
    with pytest.raises(runner.CannotRun, match="version 5") as caught:
        runner._check_version(compiled)
    assert caught.value.code == "mpy-version"


@pytest.mark.needs("micropython")
def test_the_version_is_micropython_s_own():
    assert runner.version().startswith("1.")


@pytest.mark.needs("micropython")
def test_a_board_with_unusable_settings_says_why_and_waits_for_a_technician(tmp_path):
    settings = tmp_path / "settings.json"
    settings.write_text('{"v": 1, "secret": "5ecre7"}')
    board = runner.Board(
        built=runner.build(tmp_path), settings=settings, flash=tmp_path / "flash.img", pty="", log=tmp_path / "log"
    )
    board.start()
    try:
        assert board.wait_event("cannot-start", 20)["kind"] == "SettingsError"
        assert board.pid is not None
    finally:
        board.kill()
    assert len([e for e in board.events() if e.get("event") == "cannot-start"]) == 1
    assert "5ecre7" not in board.log.read_text()


@pytest.mark.needs("micropython")
def test_a_board_runs_what_was_compiled_for_it_and_not_the_sources_in_the_working_folder(tmp_path, monkeypatch):
    """The unix port's `-m` looks in the working folder first: in the repository that would be firmware/ itself."""
    sources = tmp_path / "repository"
    (sources / "firmware").mkdir(parents=True)
    (sources / "firmware" / "__init__.py").write_text("print('the sources were run')\n")
    settings = tmp_path / "settings.json"
    settings.write_text("{}")
    monkeypatch.chdir(sources)
    board = runner.Board(
        built=runner.build(tmp_path), settings=settings, flash=tmp_path / "flash.img", pty="", log=tmp_path / "log"
    )
    board.start()
    try:
        assert board.wait_event("cannot-start", 20)["kind"] == "SettingsError"
    finally:
        board.kill()
    assert "the sources were run" not in board.log.read_text()


@pytest.mark.needs("micropython")
@pytest.mark.parametrize(("fault", "logged"), [("raise", "task-ended"), ("hang", "task-stuck")])
def test_a_task_that_dies_or_hangs_is_logged_and_the_board_restarts(repo, tmp_path, monkeypatch, fault, logged):
    """A board whose bus fails in a way that nobody expects, or never comes back to the loop's other tasks."""
    script = tmp_path / "broken.py"
    script.write_text(
        "import asyncio, time, start\n"
        "from firmware.pico import main\n"
        "main.STUCK_MS = 300\n"
        "class Bus:\n"
        "    def writeto(self, *a): raise ValueError('bus')\n"
        "    readfrom_into = writeto\n"
        "class Hangs(main.Program):\n"
        "    async def _watch_chip(self):\n"
        "        await asyncio.sleep_ms(60000)\n"
        "class Board(start.UnixBoard):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.i2c = Bus()\n"
        "    def reset(self):\n"
        "        print('RESET')\n"
        "        raise SystemExit(7)\n"
        + ("main.run(Board())\n" if fault == "raise" else "b = Board()\nasyncio.run(Hangs(b).run())\nb.reset()\n")
    )
    settings = tmp_path / "settings.json"
    settings.write_text(
        json.dumps(
            {
                "v": 1,
                "site": "main",
                "reader": "a-101",
                "key": {"id": 1, "secret": "11" * 32},
                "card_keys": [{"id": 1, "secret": "22" * 32}],
                "broker": {"host": "127.0.0.1", "port": 1},
            }
        )
    )
    built = runner.build(tmp_path)
    monkeypatch.setenv("MUSTER_FLASH", str(tmp_path / "flash.img"))
    monkeypatch.setenv("MUSTER_SETTINGS", str(settings))
    monkeypatch.setenv("MICROPYPATH", f"{built / 'board'}:{built / 'code'}:.frozen")
    done = subprocess.run(
        [runner.program("micropython"), "-X", "heapsize=500K", str(script)],
        capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 7, done.stdout + done.stderr
    assert f'"{logged}"' in done.stdout
    assert "RESET" in done.stdout
