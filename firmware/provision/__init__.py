"""What a technician's machine does to make a reader of a board. Runs on CPython; imports nothing of server or gateway."""
