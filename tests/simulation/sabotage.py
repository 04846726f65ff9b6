"""Broken variants of the parts, each of which the simulation must catch: a simulation that finds nothing wrong with
these would find nothing wrong with anything."""

from firmware.reader.clock import Pairing
from gateway.intake import Intake
from gateway.service import Gateway
from server import deliveries
from server.intake.answering import Answering
from server.intake.judge import Judge
from server.jobs import Jobs
from server.policy import marking
from server.store import evidence
from server.store.engine import writing
from tests.simulation.board import Board
from tests.simulation.gateways import Host
from tests.simulation.play import Cast
from tests.simulation.stores import Server


class _HastyIntake(Intake):
    async def _take(self, messages):
        self._link.acknowledge(messages)
        await super()._take(messages)


class _HastyGateway(Gateway):
    def __init__(self, **given):
        super().__init__(**given)
        self._intake.__class__ = _HastyIntake


class HastyHost(Host):
    """The gateway acknowledges before its commit."""

    gateway_class = _HastyGateway


class _DoublingDelivery(deliveries.Delivery):
    def insert(self, rows):
        ids = super().insert(rows)
        there = [row for row in rows if (row["journal_id"], row["seq"]) not in ids]
        again = super().insert([{**row, "seq": row["seq"] + 1_000_000} for row in there])
        return ids | {(journal, seq - 1_000_000): row_id for (journal, seq), row_id in again.items()}


class DoublingServer(Server):
    """The store has no unique key: the same again is one more."""

    delivery_class = _DoublingDelivery


class _GenerousAnswering(Answering):
    def covered(self, journal):
        return journal.highest + 1


class _GenerousDelivery(deliveries.Delivery):
    def __init__(self, desk):
        super().__init__(desk)
        self.answering = _GenerousAnswering(desk)


class GenerousServer(Server):
    """A receipt goes beyond what is committed."""

    delivery_class = _GenerousDelivery


class _CredulousJudge(Judge):
    def made(self, key, text, mac):
        return True


class _CredulousDelivery(deliveries.Delivery):
    def __init__(self, desk):
        super().__init__(desk)
        self.judge = _CredulousJudge(desk)


class CredulousServer(Server):
    """The store skips the MAC."""

    delivery_class = _CredulousDelivery


class _RashJobs(Jobs):
    def settle(self, state):
        from server.derive import registers

        def look(connection, found):
            return evidence.closed(connection, found.id, self._clock.now_ms(), marking.PENDING, 100)

        for found, closed in self._each(look):
            for row in closed:
                with writing(self._engine) as connection:
                    one = registers.Releasable(session=row, state=marking.COMPLETE, doors=())
                    registers.release(connection, found.id, one, self._clock.now_ms())


class RashServer(Server):
    """Absence is derived before the doors are known."""

    jobs_class = _RashJobs


class ForgetfulBoard(Board):
    """The reader gives up what the broker took: it believes a PUBACK."""

    def _offered(self, payload):
        super()._offered(payload)
        for line in payload.decode().split('"'):
            parts = line.split("|")
            if len(parts) > 6:
                self.reader.journal.receipted(parts[4], int(parts[5]))


class TrustingBoard(Board):
    """The reader trusts a clock of its own, which is seven minutes slow."""

    def start(self):
        super().start()
        if self.is_on:
            self.reader.clock.pairing = Pairing(self.now_ms(), self.world.true_ms() - 420_000, 50)
            self.reader.clock.answered = lambda asked_ms, heard_ms, wall_ms: False


#: name -> (who plays, what it must be caught by)
SABOTEURS = {
    "a gateway that acknowledges before its commit": (Cast(host=HastyHost), "is not in its spool"),
    "a store without its unique key": (Cast(server=DoublingServer), "doubled"),
    "a receipt beyond the commit": (Cast(server=GenerousServer), "which is not committed"),
    "a store that skips the MAC": (Cast(server=CredulousServer), "a record that no reader made"),
    "absence before the doors are known": (Cast(server=RashServer), "and tapped"),
    "a reader that believes a PUBACK": (Cast(board=ForgetfulBoard), "which the store never had"),
    "a reader that trusts the wall clock": (Cast(board=TrustingBoard), "ms off"),
}
