"""Other systems' files in: OneRoster (people, classes, lists, cards) and iCalendar timetables (sessions, rooms).

Each import goes the same way: bytes -> rows with their lines -> what is wanted -> compared with what is held -> changes.
Everything up to the changes is plain values; only `run` touches the store, in one transaction. No SQL stands here.
"""
