"""The outside world at the wire: cards, chips, sensors, networks, a campus with people in it."""
