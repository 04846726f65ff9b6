"""Rules: facts, dated parameters and now go in, a decision with its reason comes out. No I/O but reading profiles."""
