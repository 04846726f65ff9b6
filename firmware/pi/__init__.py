"""The reader on a Raspberry Pi, under CPython."""
