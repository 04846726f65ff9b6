"""The reader on a Pico W: the only importer of machine and network."""
