"""The only place in the simulator that may run the boards' own code: as processes of their own, spoken to in bytes."""
