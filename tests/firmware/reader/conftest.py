"""`make`: makes a World around the real firmware, from the run's seed. Saboteurs hand the same tests a broken one."""

import pytest

from tests.firmware.reader.reader_world import World


@pytest.fixture
def make(seed):
    def _make(**how):
        return World(**{"seed": seed, **how})

    return _make
