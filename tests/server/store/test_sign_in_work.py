"""How much work a sign-in is must not tell whether there is such a login."""

import pytest
from argon2 import PasswordHasher

from server.errors import NotSignedIn
from server.store import logins


class Counting(PasswordHasher):
    """argon2 as it is, which counts what it is asked."""

    made = checked = 0

    def hash(self, *args, **kwargs):
        self.made += 1
        return super().hash(*args, **kwargs)

    def verify(self, *args, **kwargs):
        self.checked += 1
        return super().verify(*args, **kwargs)


def test_an_unknown_login_costs_one_check_and_no_hash_after_the_first_try(world):
    hasher = Counting(time_cost=1, memory_cost=8, parallelism=1)
    for tries in (1, 2, 3):
        with pytest.raises(NotSignedIn):
            logins.sign_in(world.engine, hasher, "nobody", "a wrong password", world.now_ms)
        assert (hasher.made, hasher.checked) == (1, tries)
