"""What whoever makes releases does, away from every server: pack, sign, look at. Runs on CPython; the keys stay offline."""
