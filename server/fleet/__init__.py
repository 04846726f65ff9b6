"""The fleet: outages noted, alerts raised and said, figures for machines. No student is named here."""
