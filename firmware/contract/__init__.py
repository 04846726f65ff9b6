"""What reader, gateway and store agree on, written once, for MicroPython and CPython. No I/O, no clock."""
