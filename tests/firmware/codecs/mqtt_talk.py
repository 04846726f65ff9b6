"""One side of an MQTT connection for the codec's tests: a client that is up, what it makes of bytes, a broker's message."""

from firmware.codecs import mqtt, mqtt_packets
from firmware.codecs.mqtt import Client

CONNACK = b"\x20\x02\x00\x00"


def up(make=Client, **options):
    client = make(**options)
    client.connect("r1")
    assert events(client, CONNACK) == [mqtt.Connected(False)]
    return client


def events(client, data):
    client.feed(data)
    found = []
    while (event := client.next_event()) is not None:
        found.append(event)
    return found


def message(topic, payload, *, qos=1, retain=False, dup=False, packet_id=7):
    return bytes(
        mqtt_packets.publish(topic, payload, qos=qos, retain=retain, dup=dup, packet_id=packet_id if qos else 0)
    )
