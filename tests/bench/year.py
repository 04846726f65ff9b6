"""A term or a year in an SQLite store: as many swipes as asked for, spread over sessions, doors and students, made by
the database.

The rows are those that real swipes leave (record, swipe, reading, credit, mark, the current mark, the register and its
history); texts, tokens and hashes have their real length and are worth nothing: nothing of it is delivered again.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

#: students of a class, as on the register that is measured; an institution's classes and readers
CLASS, CLASSES, READERS = 200, 100, 600
#: so many modules the students of the measured class attend: all other classes have students of their own
MODULES = 5
#: marks that one entry of a register's history tells of: those that were derived at once
ENTRY = 10
WEEK_MS = 7 * 86_400_000
TERM_WEEKS, YEAR_WEEKS = 12, 52
#: far above the rows that are there already
BASE = 1_000_000

#: :days sessions of each of :classes classes, the last of them today, each tapped by all its students. member: who;
#: meeting: which session, where and when; tap: one swipe, numbered from BASE on.
STEPS = """
CREATE TEMP TABLE series AS WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :most)
  SELECT n FROM s;
INSERT INTO person (id, institution_id, created_ms) SELECT :base + n, :own, 1 FROM series WHERE n >= :size AND n < :people;
INSERT INTO person_name (person_id, institution_id, full_name, sort_name)
  SELECT :base + n, :own, 'Student ' || n, 'student ' || n FROM series WHERE n >= :size AND n < :people;
INSERT INTO course (id, institution_id, source, source_id, code, title)
  SELECT :base + n, :own, 'year', 'y' || n, 'Y' || n, 'Module ' || n FROM series WHERE n >= 1 AND n < :classes;
INSERT INTO class_group (id, institution_id, source, source_id, code, title, course_id)
  SELECT :base + n, :own, 'year', 'y' || n, 'Y' || n, 'Class ' || n, :base + n FROM series WHERE n >= 1 AND n < :classes;
INSERT INTO enrolment (institution_id, class_id, person_id, role, source, from_ms)
  SELECT :own, :base + n / :size, :base + n, 'student', 'year', 0 FROM series WHERE n >= :modules * :size AND n < :people;
INSERT INTO enrolment (institution_id, class_id, person_id, role, source, from_ms)
  SELECT :own, :base + n, person_id, 'student', 'year', 0 FROM enrolment JOIN series
  WHERE class_id = :group AND role = 'student' AND n >= 1 AND n < :modules;
CREATE TEMP TABLE member AS SELECT n / :size AS class, :base + n AS person FROM series WHERE n >= :modules * :size AND n < :people
  UNION ALL SELECT n, person_id FROM enrolment JOIN series WHERE class_id = :group AND role = 'student' AND n < :modules;
INSERT INTO reader (id, institution_id, site_id, name, created_ms)
  SELECT :base + n, :own, (SELECT min(id) FROM site), 'year-' || n, 1 FROM series WHERE n < :readers;
INSERT INTO journal (id, institution_id, reader_id, journal, up_to, highest, head, opened_ms)
  SELECT :base + n, :own, :base + n, printf('%016x', n), :most, :most, :most, 1 FROM series WHERE n < :readers;
CREATE TEMP TABLE meeting AS SELECT :base + n AS session, n % :classes AS class, :base + n % :readers AS reader,
  :now - 3600000 - n % :modules * 3600000 - (:days - 1 - n / :classes) * (:span / :days) AS at
  FROM series WHERE n < :days * :classes;
INSERT INTO session (id, institution_id, source, uid, title, starts_ms, ends_ms, opens_ms, closes_ms, profile)
  SELECT session, :own, 'year', 'y' || session, 'Lesson', at, at + 3600000, at - 1800000, at + 3600000, 'lough' FROM meeting;
INSERT INTO session_class (institution_id, session_id, class_id, from_ms)
  SELECT :own, session, CASE class WHEN 0 THEN :group ELSE :base + class END, 0 FROM meeting;
INSERT INTO register (session_id, institution_id, version, evidence) SELECT session, :own, 1, 'complete' FROM meeting;
CREATE TEMP TABLE tap AS SELECT :base + row_number() OVER (ORDER BY session) AS id, person, session, reader, at + 1000 * (person % 600) AS at
  FROM meeting JOIN member USING (class);
INSERT INTO record (id, institution_id, journal_id, seq, kind, text, mac, received_ms)
  SELECT id, :own, reader, id, 'swipe', '1|swipe|year-001|1|9f8e7d6c5b4a3210|' || id ||
  '|t1:0a1b2c3d4e5f6071|125000|' || at || '|sync|12|green|' || session || '|1790000000000', randomblob(16), at FROM tap;
INSERT INTO swipe (id, institution_id, reader_id, journal_id, seq, key_id, token, boot_ms, wall_ms, clock, uncertainty_ms,
  verdict, session_shown, roster_shown, received_ms)
  SELECT id, :own, reader, reader, id, 1, CAST(printf('%08d', person) AS BLOB), 125000, at, 'sync', 12, 'green', session, 1, at FROM tap;
INSERT INTO reading (swipe_id, institution_id, reader_id, person_id, at_ms, placed_by, verdict, session_id, credits)
  SELECT id, :own, reader, person, at, 'wall', 'green', session, 1 FROM tap;
INSERT INTO credit (id, institution_id, person_id, session_id, swipe_id, at_ms, uncertainty_ms, created_ms)
  SELECT id, :own, person, session, id, at, 12, at FROM tap;
INSERT INTO mark (id, institution_id, session_id, person_id, code, source, rule, ledgers, credit_id, created_ms)
  SELECT id, :own, session, person, 'P', 'swipe', 'lough.present', 'attendance,bursary', id, at FROM tap;
INSERT INTO mark_current (session_id, person_id, institution_id, mark_id) SELECT session, person, :own, id FROM tap;
INSERT INTO history (institution_id, session_id, seq, kind, at_ms, body, hash)
  SELECT :own, session, id / :entry, 'mark', max(at), '{"marks":[' || group_concat('{"code":"P","credit":' || id || ',"id":' || id ||
  ',"ledgers":"attendance,bursary","person":' || person || ',"rule":"lough.present","source":"swipe"}') || ']}', randomblob(32)
  FROM tap GROUP BY session, id / :entry;
ANALYZE;
"""


@dataclass(frozen=True, kw_only=True)
class Year:
    """What was filled in. file_bytes: the whole database's file."""

    weeks: int
    swipes: int
    marks: int
    #: entries of registers' histories
    history: int
    sessions: int
    students: int
    file_bytes: int


def fill(path: Path, swipes: int, *, institution_id: int, group: int, now_ms: int, weeks: int = YEAR_WEEKS) -> Year:
    """So many weeks of about so many swipes before now. group: the class of CLASS students that is measured; it has its
    part, in MODULES modules."""
    days = max(1, swipes // (CLASS * CLASSES))
    values = {
        "own": institution_id, "base": BASE, "group": group, "now": now_ms, "span": weeks * WEEK_MS, "days": days,
        "size": CLASS, "classes": CLASSES, "people": CLASS * CLASSES, "readers": READERS, "modules": MODULES,
        "entry": ENTRY, "most": max(CLASS * CLASSES, days * CLASSES),
    }  # fmt: skip
    with sqlite3.connect(path) as connection:
        # Only for the filling: what is measured afterwards opens the file anew.
        connection.execute("PRAGMA synchronous=OFF")
        for step in STEPS.split(";\n"):
            if step.strip():
                connection.execute(step, {name: value for name, value in values.items() if f":{name}" in step})
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        made = {
            one: connection.execute(f"SELECT count(*) FROM {one}").fetchone()[0] for one in ("swipe", "mark", "history")
        }
    connection.close()
    return Year(
        weeks=weeks,
        swipes=made["swipe"],
        marks=made["mark"],
        history=made["history"],
        sessions=days * CLASSES,
        students=CLASS * (CLASSES - MODULES + 1),
        file_bytes=path.stat().st_size,
    )
