"""`network` for the MicroPython unix port: a radio that is joined as soon as it is asked to be.

A Wi-Fi that goes away is played by the simulator's TCP proxy; MUSTER_WIFI=off is one that never comes.
"""

import os

STA_IF = 0
AP_IF = 1


class WLAN:
    """The station's radio."""

    PM_NONE = 0

    def __init__(self, interface=STA_IF):
        self._active = False
        self._joined = False

    def active(self, is_active=None):
        if is_active is None:
            return self._active
        self._active = bool(is_active)
        if not self._active:
            self._joined = False

    def config(self, *names, **values):
        return None

    def connect(self, ssid=None, key=None, **options):
        self._joined = self._active and os.getenv("MUSTER_WIFI") != "off"

    def disconnect(self):
        self._joined = False

    def isconnected(self):
        return self._joined

    def status(self, what=None):
        if what == "rssi":
            return -55 if self._joined else 0
        return 3 if self._joined else 0

    def ifconfig(self):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")
