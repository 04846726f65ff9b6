"""The embedded broker: rumqttd from the `iotcore` wheel, on loopback, in memory only.

It needs nothing installed, and forgets everything when it ends: a receipt, not a PUBACK, is what a reader believes.
Mosquitto is the broker for an institution (docs/growing.md).
"""

import argparse
import signal
import tempfile
import threading
from pathlib import Path

_CONFIG = """\
id = 0

[router]
id = 0
max_connections = 2048
max_outgoing_packet_count = 1000
max_segment_size = 104857600
max_segment_count = 10

[v4.1]
name = "loopback"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 5000
max_payload_size = 131072
max_inflight_count = 200
dynamic_filters = true
"""


def main(argv: list[str]) -> int:
    """`python -m simulator.broker --port PORT`: serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="simulator.broker", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args(argv)
    from iotcore import Broker

    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ended.set())
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "broker.toml"
        config.write_text(_CONFIG.format(port=arguments.port))
        broker = Broker(config_path=str(config))
        broker.start()
        ended.wait()
        broker.stop()
    return 0


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
