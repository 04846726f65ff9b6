"""What a world's uplink did: the records that it offered, and what it refused to believe."""


def offers(world, since_ms=0):
    """(when, the records) of each swipes message sent."""
    return [(at, world.records(out)) for at, out in world.sent_since(since_ms, "swipes")]


def refused(world):
    return world.reader.uplink.refused
