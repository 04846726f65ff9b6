"""What the reader says and hears: hello, offers, heads; receipts, time, rosters. No I/O: the board publishes what
`next` hands it, one message after the other, and tells when the link is up or down.

A PUBACK says nothing about the store, so nothing here waits for one. What has no receipt is offered again after 30 s,
doubling to 5 min with jitter, and at each connect; what was just tapped goes before any backlog.
"""

from collections import namedtuple

from firmware.contract import envelope, statement
from firmware.contract.errors import ContractError

BATCH = 16  #: records in one message: some 2.5 KB
#: Receipts pace a backlog: two messages of it are under way, and where no receipt comes, one a PACE_MS. Else sixty readers
#: fill the broker's one queue after an outage, and every live swipe of all of them waits behind it.
PACE_MS = 1000
RETRY_FIRST_MS = 30_000
RETRY_LAST_MS = 300_000
SOON_MS = 4_000  #: after an outage, from the store's first word to the next offer
HEAD_EVERY_MS = 60_000
HEALTH_EVERY_MS = 300_000
STALE_MOST = 3  #: receipts in a row for another hello, after which one is said anew ...
STALE_AFTER_MS = 60_000  #: ... if the last was not said just now
COMMAND_MS = 600_000  #: a command is carried out within this time of being made
JOURNALS_MAX = 64  #: listed in a hello or head; older ones follow as these are freed

#: what stands on the reader's status topic; the broker says OFFLINE for it as its last will
ONLINE = b'{"v": 1, "state": "online"}'
OFFLINE = b'{"v": 1, "state": "offline"}'

#: One message to publish. kind: the topic's last part. retain: whether the broker keeps it.
Out = namedtuple("Out", ("kind", "payload", "retain"))


class Uplink:
    """The reader's side of the line.

    on_time(nonce's asked_ms, heard_ms, wall_ms) is called for each authentic answer to a question that was asked.
    """

    def __init__(self, *, reader, key, journal, clock, random_bytes, firmware, on_time):
        self._reader = reader
        self._key = key
        self._journal = journal
        self._clock = clock
        self._random_bytes = random_bytes
        self._firmware = firmware
        self._on_time = on_time
        #: whether the link is up
        self.up = False
        self._status_due = False
        self._hello_due = False
        self._nonce = None  # of the last hello: receipts must name it
        self._asked = []  # (nonce, asked_ms) of hellos and heads not yet answered, newest last
        #: nonces of the head that was stated last, and of what the store answered last: by these it is known of a head
        #: that it was heard
        self.stated = None
        self.answered = None
        self._head_at_ms = 0
        self._live_next = 0  # next seq of the live journal that was never offered
        self._passes = []  # [journal, next seq, last seq] of the backlog pass that is being offered
        self._paced_ms = 0  # until then no more of the backlog than receipts allow
        self._retry_at_ms = None
        self._retry_ms = RETRY_FIRST_MS
        self._heard = False  # anything of the store's, since the last retry
        self._deaf = False  # nothing of it between the last retry and the one before
        self._hello_at_ms = None  # when the hello is said again, if nothing from the store names it until then
        self._hello_ms = RETRY_FIRST_MS
        self._void = False  # receipts count again after the next hello
        self._former = None  # the nonce before, after a hello that was said anew on this connection
        self._said_ms = 0  # when a hello was last said
        self._stale = 0  # receipts in a row that named another hello
        #: of the last command that was believed: when the store made it, epoch ms
        self.counter = -1
        #: messages or lines from below that were refused, by code: for the health report
        self.refused = {}
        #: highest roster version held, for the hello
        self.roster_version_ms = None
        #: what keeps the reader from taking swipes: ok, chip, full or storage; of a kiosk also list
        self.able = "ok"

    def linked(self, now_ms: int) -> None:
        """The link is up: say hello, then offer all that has no receipt."""
        self.up = True
        self._status_due = True
        self._hello_due = True
        self._nonce = None
        self._former = None
        self._stale = 0
        self._hello_ms = RETRY_FIRST_MS
        self._asked = []
        self._retry_ms = RETRY_FIRST_MS
        self._head_at_ms = now_ms
        self._start_pass()

    def unlinked(self) -> None:
        """The link is down. What was being published is offered again at the next connect."""
        self.up = False

    def head_due(self, now_ms: int) -> None:
        """State a head at the next chance: a session has ended."""
        self._head_at_ms = now_ms

    def hello_anew(self) -> None:
        """Say a new hello on this connection: the reader holds another roster, or the store goes by an older hello.

        Receipts that name the one before still count: they may be on their way.
        """
        if self._nonce is not None and not self._void:
            self._former = self._nonce
            self._nonce = None
        self._hello_due = True

    def next(self, now_ms: int) -> "Out | None":
        """What to publish now, or None. Each call hands out something new: publish it."""
        if not self.up:
            return None
        if self._status_due:
            self._status_due = False
            return Out("status", ONLINE, True)
        if self._hello_due or (self._hello_at_ms is not None and now_ms >= self._hello_at_ms):
            # A hello that was lost behind its PUBACK would leave every receipt refused until the next connect.
            self._hello_due = False
            self._hello_at_ms = now_ms + self._jittered(self._hello_ms)
            self._hello_ms = min(2 * self._hello_ms, RETRY_LAST_MS)
            self._said_ms = now_ms
            return Out("hello", envelope.wrap([self._hello(now_ms)]), False)
        lines = self._live_lines()
        if lines:
            # Only where none is set: at a busy door the taps that follow must not put off what was lost.
            if self._retry_at_ms is None:
                self._retry_at_ms = now_ms + self._jittered(self._retry_ms)
            return Out("swipes", envelope.wrap(lines), False)
        if now_ms >= self._head_at_ms:
            self._head_at_ms = now_ms + HEAD_EVERY_MS
            if len(self._waiting()) <= JOURNALS_MAX:
                return Out("head", envelope.wrap([self._head(now_ms)]), False)
        lines = self._backlog_lines(now_ms)
        if lines:
            if self._retry_at_ms is None:
                self._retry_at_ms = now_ms + self._jittered(self._retry_ms)
            return Out("swipes", envelope.wrap(lines), False)
        # Also in a pass that is paced: where receipts stay out, what was lost stands at its beginning.
        if self._retry_at_ms is not None and now_ms >= self._retry_at_ms:
            self._retry_at_ms = None
            self._retry_ms = min(2 * self._retry_ms, RETRY_LAST_MS)
            self._deaf = not self._heard
            self._heard = False
            self._start_pass()
            return self.next(now_ms)
        return None  # or paced, or in the middle of records that cannot be read: go on with a later call

    def received(self, kind: str, payload: bytes, now_ms: int) -> list:
        """A message on `receipt` or `command`. Returns the names of authentic commands to carry out.

        Never raises: whatever is wrong with it is counted in `refused` and the rest goes on.
        """
        try:
            lines = envelope.unwrap(payload)
        except ContractError as error:
            self.refuse(error.code)
            return []
        commands = []
        for line in lines:
            try:
                said = statement.read(line)
            except ContractError as error:
                self.refuse(error.code)
                continue
            if said.reader != self._reader or said.key != self._key.id:
                self.refuse("other-reader")
            elif not self._key.made(said.text.encode(), said.mac):
                self.refuse("mac")
            elif said.kind == "time":
                self._time(said.values, now_ms)
            elif said.kind in ("receipt", "again"):
                self._receipt(said, now_ms)
            elif said.kind == "command":
                refused = self._not_now(said.values["counter"], now_ms)
                if refused is None:
                    self.counter = said.values["counter"]
                    commands.append(said.values["name"])
                else:
                    self.refuse(refused)
            else:
                self.refuse("kind")
        return commands

    def _not_now(self, counter, now_ms):
        """Why a command of the store's own is not carried out, or None. Its counter is the time at which it was made: one
        that was kept back, or made before this boot, may be said again by whoever carries it, for ever.
        """
        if counter <= self.counter:
            return "command-repeated"
        reading = self._clock.read(now_ms)
        if reading.wall_ms is None:
            return "command-unclocked"
        booted_ms = reading.wall_ms - now_ms + reading.uncertainty_ms
        if counter <= booted_ms or counter < reading.wall_ms - reading.uncertainty_ms - COMMAND_MS:
            return "command-old"
        # One from the future would leave all that follow it refused.
        return "command-ahead" if counter > reading.wall_ms + reading.uncertainty_ms + COMMAND_MS else None

    def offer_anew(self, now_ms: int) -> None:
        """Say everything again on this connection: hello, all that has no receipt, and where the journals stand."""
        self.hello_anew()
        self._start_pass()
        self._head_at_ms = now_ms

    def refuse(self, code: str) -> None:
        """Count something from below that was not believed."""
        self.refused[code] = self.refused.get(code, 0) + 1

    def _hello(self, now_ms):
        if self._nonce is None or self._void:
            self._nonce = self._ask(now_ms)
            self._void = False
        # Said again it keeps its nonce, and with it the time of the first asking: an answer may be to either.
        return self._seal(
            "hello",
            {
                "nonce": self._nonce,
                "boot_ms": now_ms,
                "roster": self.roster_version_ms,
                "firmware": self._firmware,
                "journals": self._listed(),
            },
        )

    def _head(self, now_ms):
        reading = self._clock.read(now_ms)
        self.stated = self._ask(now_ms)
        return self._seal(
            "head",
            {
                "nonce": self.stated,
                "boot_ms": now_ms,
                "wall_ms": reading.wall_ms,
                "clock": reading.state,
                "uncertainty_ms": reading.uncertainty_ms,
                "able": self.able,
                "journals": self._listed(),
            },
        )

    def _listed(self):
        # All that is not freed comes first. A head that left one of these out would call a door known that is not, so
        # none is stated while there are more than it can list; the hello's oldest are delivered first, until there are not.
        waiting = self._waiting()[:JOURNALS_MAX]
        freed = [h for h in self._journal.held if h.freed >= h.head]
        return waiting + freed[max(0, len(freed) + len(waiting) - JOURNALS_MAX) :]

    def _waiting(self):
        return [h for h in self._journal.held if h.freed < h.head]

    def _ask(self, now_ms):
        nonce = self._random_bytes(8).hex()
        self._asked = self._asked[-3:]
        self._asked.append((nonce, now_ms))
        return nonce

    def _seal(self, kind, values):
        text = statement.say(kind, self._reader, self._key.id, values)
        return statement.seal(text, self._key.mac(text.encode()))

    def _time(self, values, now_ms):
        if values["nonce"] == self._nonce:
            self._hello_at_ms = None
        for place in range(len(self._asked)):
            if self._asked[place][0] == values["nonce"]:
                asked_ms = self._asked.pop(place)[1]
                self.answered = values["nonce"]
                self._on_time(asked_ms, now_ms, values["wall_ms"])
                self._store_is_there(now_ms)
                return
        self.refuse("time-not-asked")

    def _store_is_there(self, now_ms):
        self._heard = True
        if self._deaf and self._retry_at_ms is not None:
            # The outage is over: minutes that it made of the retry are not waited for. Where the store was heard all
            # the time, and a record stays without its receipt, the retries go on doubling.
            self._retry_ms = RETRY_FIRST_MS
            self._retry_at_ms = min(self._retry_at_ms, now_ms + self._jittered(SOON_MS))
        self._deaf = False

    def _receipt(self, said, now_ms):
        values = said.values
        named = values["nonce"]
        if named not in (self._nonce, self._former) or (self._void and said.kind == "receipt"):
            self.refuse("nonce")
            self._stale += 1
            if self._stale >= STALE_MOST and not self._void and now_ms - self._said_ms >= STALE_AFTER_MS:
                self._stale = 0
                self.hello_anew()
            return
        self._stale = 0
        self._heard = True
        self._hello_at_ms = None
        before = self._journal.backlog()
        if said.kind == "receipt":
            if not self._journal.receipted(values["journal"], values["up_to"]):
                self.refuse("receipt-beyond-head")
            elif self._journal.backlog() == before:
                self.refuse("receipt-repeated")
            else:
                self._retry_ms = RETRY_FIRST_MS
                if not self._waiting():
                    self._retry_at_ms = None
                elif self._passes and self._passes[0][0] == values["journal"]:
                    # The pass moves: nothing of it is lost so far. Other journals' receipts say nothing of this one.
                    self._retry_at_ms = now_ms + self._jittered(RETRY_FIRST_MS)
        elif not self._journal.lost_by_store(values["journal"], values["first"]):
            self.refuse("again-unknown")
        elif self._journal.backlog() != before:
            # A receipt from before the store's loss may still be on its way, and would free what it lost: only
            # receipts that name a new hello count now.
            self._void = True
            self._former = None
            self._hello_due = True
            self._start_pass()

    def _start_pass(self):
        """Begin to offer everything that has no receipt, oldest journal first."""
        self._passes = []
        for held in self._journal.held:
            if held.freed < held.head:
                self._passes.append([held.journal, max(held.freed + 1, held.oldest), held.head])
                if held.journal == self._journal.live:
                    self._live_next = held.head + 1

    def _live_lines(self):
        if self._journal.live is None:
            return []
        if self._live_next > self._journal.head(self._journal.live):
            return []
        lines = self._journal.lines(self._journal.live, self._live_next, BATCH)
        self._live_next += max(1, len(lines))  # one that cannot be read must not hide those behind it
        return lines

    def _backlog_lines(self, now_ms):
        unread = 0
        while self._passes and unread < BATCH:
            going = self._passes[0]
            under_way = 0
            # Receipts may have overtaken the pass.
            for held in self._journal.held:
                if held.journal == going[0]:
                    going[1] = max(going[1], held.freed + 1)
                    under_way = going[1] - max(held.freed + 1, held.oldest)
            if going[1] > going[2]:
                self._passes.pop(0)
                continue
            if under_way > BATCH and now_ms < self._paced_ms:
                return []
            lines = self._journal.lines(going[0], going[1], min(BATCH, going[2] - going[1] + 1))
            if not lines:
                going[1] += 1  # one that cannot be read must not hide those behind it
                unread += 1
                continue
            going[1] += len(lines)
            self._paced_ms = now_ms + PACE_MS
            return lines
        return []

    def _jittered(self, delay_ms):
        # A quarter of jitter, so that six hundred readers do not all come back in the same second.
        return delay_ms + self._random_bytes(1)[0] * delay_ms // 1024
