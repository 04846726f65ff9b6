"""What runs at the door: contract, codecs, reader, and the two boards."""
