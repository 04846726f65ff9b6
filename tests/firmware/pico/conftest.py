"""`probe`, `subscriber` and `server`: the parts around a link (link_world.py), ended with the test that started them."""

import json
import os
import subprocess
import sys

import pytest

from tests.firmware.pico.link_world import PROBE, Probe, Server, Subscriber


@pytest.fixture
def probe(micropython, repo):
    """`probe(port=..., ...)` starts a link; `on="cpython"` on this interpreter instead of MicroPython."""
    made, started = [], []

    def start(*, on="micropython", heapsize=None, **config):
        if on == "micropython":
            made.append(Probe(micropython.start(PROBE, json.dumps(config), heapsize=heapsize)))
            return made[-1]
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", str(PROBE), json.dumps(config)],
            env={**os.environ, "PYTHONPATH": str(repo)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        made.append(Probe(process))
        return made[-1]

    yield start
    for one in made:
        one.close()
    for process in started:
        process.communicate()


@pytest.fixture
def subscriber():
    made = []

    def start(port, topic, **access):
        made.append(Subscriber(port, topic, **access))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def server():
    made = []

    def start(answer):
        made.append(Server(answer))
        return made[-1]

    yield start
    for one in made:
        one.close()
