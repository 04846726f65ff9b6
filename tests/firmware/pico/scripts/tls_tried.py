"""Tries TLS on MicroPython. Arguments: port, and [path of an authority, name] each as JSON: `["", null]` has neither.

Prints the year, then for each try `connected`, `refused` (by the handshake) or `unusable` (the authority is none).
"""

import json
import socket
import sys
import time

from firmware.pico import trust
from firmware.reader.errors import SettingsError


def tried(port, authority, name):
    held = []
    if authority:
        with open(authority, "rb") as file:
            held.append(file.read())
    try:
        context = trust.context(held)
    except SettingsError:
        return "unusable"
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    try:
        context.wrap_socket(sock, server_hostname=name)
    except (OSError, ValueError):
        return "refused"
    return "connected"


print(time.gmtime()[0])
for argument in sys.argv[2:]:
    print(tried(int(sys.argv[1]), *json.loads(argument)))
