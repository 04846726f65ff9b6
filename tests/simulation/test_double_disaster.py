"""Every board is destroyed, then the store is restored to before their last swipes: only the gateways have them."""

from gateway.service import Gateway
from tests.simulation import loop as loops
from tests.simulation.faults import Faults
from tests.simulation.gateways import Host
from tests.simulation.play import Cast, Outcome, Run, Stage
from tests.simulation.storage import QuickMedium

SWIPES = 40


class Disasters(Faults):
    """A backup, an hour's swipes, and then both. spools: whether the gateways' disks go as well."""

    spools = False

    def plan(self, until_s: float) -> None:
        at = self.world.loop.call_at
        at(until_s * 0.3, self.run.server.back_up)
        at(until_s * 0.8, self.all_boards)
        at(until_s * 0.8 + 20, self.run.server.restore)
        if self.spools:
            for host in self.run.hosts:
                at(until_s * 0.8 + 19, self.run.delete_spool, host)

    def all_boards(self) -> None:
        for board in self.run.boards:
            board.crash()
            board.medium = QuickMedium(self.world.chance(f"storage/new/{board.name}"), 4000)


class AndSpools(Disasters):
    spools = True


def disaster(faults: type[Disasters], cast: Cast | None = None) -> Outcome:
    with Stage() as stage:

        async def main() -> Outcome:
            run = Run(stage, 8, SWIPES, None, cast or Cast())
            run.faults = faults(run)
            return await run.play()

        return loops.run(main())


def test_swipes_that_only_a_gateway_has_come_back_to_a_restored_store():
    one = disaster(Disasters)
    assert one.score.wrong == []
    assert one.seen["gateway had what the store lost"]
    assert (one.score.lost, one.score.destroyed) == (0, 0)


class DeafHost(Host):
    """Saboteur: a gateway that believes to have answered every restore already."""

    class gateway_class(Gateway):
        def __init__(self, **parts):
            super().__init__(**parts)
            self.forwarder._restored_ms = 1 << 62


def test_a_gateway_that_nobody_asks_would_be_caught():
    one = disaster(Disasters, Cast(host=DeafHost))
    assert one.score.lost > 0
    assert any("lost: " in what for what in one.score.wrong)


def test_what_nobody_has_any_more_is_counted_as_destroyed():
    one = disaster(AndSpools)
    assert one.score.wrong == []
    assert (one.score.lost, one.score.destroyed > 0) == (0, True)
