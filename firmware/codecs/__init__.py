"""Bytes to records and back: the chips' frames. No I/O."""
