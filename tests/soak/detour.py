"""A relay for TCP on loopback whose two directions can be cut apart: where there are no network namespaces.

A thread for each direction of each connection. While a way is cut its bytes are held, and what waits when it heals is
let through, as TCP would send it again; new connections are taken by the kernel, and nothing comes of them meanwhile.
"""

import contextlib
import socket
import threading

CHUNK = 65_536


class Relay:
    """Listens on a free loopback port (`port`) and leads to `target` on loopback."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        #: set while that way carries
        self._open = {"up": threading.Event(), "down": threading.Event()}
        self._ends: set[socket.socket] = set()
        self._closed = False
        self.heal()
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def cut(self, way: str) -> None:
        """Nothing goes that way any more."""
        self._open[way].clear()

    def heal(self) -> None:
        """Both ways carry."""
        for way in self._open.values():
            way.set()

    def close(self) -> None:
        """Hang up on everybody."""
        self._closed = True
        self.heal()
        self._hang_up(self._listener)
        for end in list(self._ends):
            self._hang_up(end)

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._lead, args=(near,), name="relay connection", daemon=True).start()

    def _lead(self, near: socket.socket) -> None:
        self._open["up"].wait()
        try:
            far = socket.create_connection(("127.0.0.1", self._target), timeout=10)
        except OSError:
            self._hang_up(near)
            return
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ends |= {near, far}
        down = threading.Thread(target=self._pump, args=(far, near, "down"), name="relay down", daemon=True)
        down.start()
        self._pump(near, far, "up")
        down.join()
        self._ends -= {near, far}

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                self._open[way].wait()
                sink.sendall(data)
        self._hang_up(source)
        self._hang_up(sink)

    @staticmethod
    def _hang_up(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
