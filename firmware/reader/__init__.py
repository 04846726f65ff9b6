"""The reader itself: card -> verdict -> journal -> light -> uplink. One code for both boards; chip, lights, clock,
storage and link are handed in, and nothing here does I/O or waits."""
