"""Releases on their way to readers: what a health report says moves one on, and the answer says what is sent next.

Nothing is left at the gateway: whichever hears the next report, the store's answer to it names the next pieces. What is
lost on the way is named again with a later delivery of the site.
"""

from __future__ import annotations

from server.intake.desk import Desk
from server.policy import rollout as policy
from server.store import rollout_progress, rollouts


class Offering:
    """Says which readers are to be sent which pieces of which release."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def say(self) -> None:
        """What waits for readers at the sites of those that this delivery names. Called when their states were noted: of
        health reports only what was taken counts."""
        desk = self.desk
        sites = {one.site for one in desk.by_id.values() if one.institution_id == desk.institution_id}
        if not sites:
            return
        for row in rollout_progress.busy(desk.connection, desk.institution_id):
            if row.site not in sites:
                continue
            sent, after = rollout_progress.sent_of(row), rollout_progress.progress_of(row)
            report = desk.notes.get(row.reader_id, {}).get("health")
            if report is not None:
                says = desk.known_of(row.reader_id, "firmware")
                after = policy.heard(after, rollouts.updates(report), sent, says, desk.now_ms)
            due = policy.due(after, sent, desk.now_ms)
            rollout_progress.move(desk.connection, row, due or after)
            if due is not None:
                offer = {"tag": sent.tag, "at": due.have, "bytes": due.until - due.have}
                desk.answer.offers.append({"site": row.site, "reader": row.name} | offer)
