"""Frames in the stream of bytes that a serial line brings, without I/O. For MicroPython and CPython.

What a frame is, each chip's codec says with a function; what is held, and for how long, is said here once.
"""

from collections import namedtuple

#: The event of a frame that cannot be believed: code (stable), and text for the technician.
Damaged = namedtuple("Damaged", ("code", "text"))


class FrameDecoder:
    """Feed bytes as they come, get events. A frame that stops half-way waits for `clear`.

    *scan*(bytes held): the first event or None, the first byte not needed any more, and how many bytes before it
    belonged to no frame. It never raises. *longest*: a frame, bytes; of so many scan always needs some no more.
    """

    def __init__(self, scan, longest):
        self._scan = scan
        self._longest = longest
        self._pending = bytearray()
        #: Bytes that belonged to no frame.
        self.junk = 0

    def clear(self):
        """Forget a frame that has begun: its deadline passed."""
        self.junk += len(self._pending)
        self._pending = bytearray()

    def pending(self):
        """Bytes held of a frame that is not whole yet; fewer than *longest*."""
        return len(self._pending)

    def feed(self, data):
        """Events (a list, oldest first) that *data* completes. Never raises, whatever the bytes."""
        events = []
        at = 0
        while at < len(data):
            # A bounded bite at a time: what is held then never exceeds one frame.
            bite = self._longest - len(self._pending)
            self._pending.extend(data[at : at + bite])
            at += bite
            while True:
                event, used, junk = self._scan(self._pending)
                self.junk += junk
                if used:
                    self._pending = self._pending[used:]
                if event is None:
                    break
                events.append(event)
        return events
