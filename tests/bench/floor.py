"""The floor: Mosquitto -> a bare paho subscriber -> SQLite, FULL, one commit for each batch that has come.

What any gateway and store in Python must do at the least: every message is on the disk before it is acknowledged.
Nothing is decoded, checked, answered or passed on. `python -m tests.bench.floor HOST PORT FILE`: runs until killed.
"""

import sqlite3
import sys

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

#: messages in one commit at most: as many as a gateway's delivery has
COMMIT_MOST = 500


def main(host: str, port: int, file: str) -> None:
    """Subscribe, and keep what comes."""
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE swipe (id INTEGER PRIMARY KEY, topic TEXT, payload BLOB)")
    waiting: list[paho.MQTTMessage] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="floor", clean_session=True, manual_ack=True)
    client.on_message = lambda _client, _data, message: waiting.append(message)
    client.on_connect = lambda *_: client.subscribe("muster/v1/+/+/swipes", 1)
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    client.connect(host, port)
    while True:
        before = len(waiting)
        client.loop(0.05 if not waiting else 0)
        if waiting and (len(waiting) == before or len(waiting) >= COMMIT_MOST):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO swipe (topic, payload) VALUES (?, ?)", [(m.topic, m.payload) for m in waiting]
            )
            database.execute("COMMIT")
            for message in waiting:
                client.ack(message.mid, 1)
            waiting.clear()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
