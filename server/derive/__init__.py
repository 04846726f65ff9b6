"""From swipes to marks: the pure core (credits), and the work that runs it (persons, registers, rosters)."""
