"""Each fault of the reader has a saboteur: a copy of the firmware with one line broken, which the named test must catch."""

import functools

import pytest

from tests.firmware.reader import test_reader_door as door
from tests.firmware.reader import test_reader_promise as promise
from tests.firmware.reader import test_reader_receipts as receipts
from tests.firmware.reader import test_reader_uplink as uplink
from tests.firmware.reader.broken_firmware import broken
from tests.firmware.reader.reader_world import T0, World, session

only = functools.partial
wrong = receipts.receipts_not_to_believe()

#: name, module, the good text, the broken one, the test that must catch it
SABOTEURS = [
    (
        "green_before_the_append",
        "reader/reader.py",
        "        try:\n            self.journal.swipe(",
        "        self.lights.flash(judged.verdict, now_ms)\n        try:\n            self.journal.swipe(",
        promise.test_the_light_turns_green_only_after_the_append,
    ),
    (
        "green_though_the_append_failed",
        "reader/reader.py",
        "            return error.code\n        if",
        "            self.lights.flash(judged.verdict, now_ms)\n            return error.code\n        if",
        only(
            promise.test_an_append_that_fails_at_any_point_never_shows_green_and_nothing_is_appended_after_it,
            fail_at=2,
            torn=False,
        ),
    ),
    (
        "the_green_of_the_one_before_stays",
        "reader/reader.py",
        "            self.lights.cancel(now_ms)\n",
        "",
        promise.test_a_green_left_from_the_one_before_does_not_stand_for_a_swipe_that_failed,
    ),
    (
        "a_seq_is_used_again_after_a_failure",
        "reader/journal.py",
        '            self.trouble = "storage"\n            raise',
        "            raise",
        only(
            promise.test_an_append_that_fails_at_any_point_never_shows_green_and_nothing_is_appended_after_it,
            fail_at=3,
            torn=True,
        ),
    ),
    (
        "a_seq_is_used_up_by_a_refusal",
        "reader/journal.py",
        "        self._storage.append(journal, seq, text, self._key.mac(text.encode()))\n        self._seq = seq + 1",
        "        self._seq = seq + 1\n        self._storage.append(journal, seq, text, self._key.mac(text.encode()))",
        promise.test_a_full_journal_is_red_overwrites_nothing_and_is_able_again_after_receipts,
    ),
    (
        "journal_ids_are_not_random",
        "reader/journal.py",
        "        journal = self._random_bytes(8).hex()",
        "        journal = '%016x' % len(self.held)",
        promise.test_journal_ids_are_random,
    ),
    (
        "a_journal_does_not_name_the_one_before",
        "reader/journal.py",
        '"before": before.journal if before else None',
        '"before": None',
        promise.test_a_boot_opens_a_journal_at_its_first_append_that_names_the_one_before_it,
    ),
    (
        "full_for_ever",
        "reader/journal.py",
        "                self.trouble = None\n        return True",
        "                pass\n        return True",
        promise.test_a_full_journal_is_red_overwrites_nothing_and_is_able_again_after_receipts,
    ),
    (
        "only_one_of_two_tokens",
        "reader/reader.py",
        "zip(self.settings.card_keys, tokens)]",
        "zip(self.settings.card_keys[:1], tokens)]",
        promise.test_during_a_rotation_of_card_keys_both_tokens_are_sent_and_either_is_found,
    ),
    (
        "decides_without_the_repeat_window",
        "reader/door.py",
        "decide.worth(mine, recorded, answer, at_ms",
        "decide.worth(mine, recorded, None, at_ms",
        promise.test_within_two_minutes_a_tap_repeats_the_answer_though_the_next_session_is_open,
    ),
    (
        "the_repeat_is_renewed_by_each_tap",
        "reader/door.py",
        "                break  # a repeat",
        "                self._answers.remove(answer)\n                self._answers.append("
        "_Remembered(tokens[0], judged.session, now_ms))\n                break  # a repeat",
        promise.test_within_two_minutes_a_tap_repeats_the_answer_though_the_next_session_is_open,
    ),
    (
        "tells_a_repeat_by_the_time_of_day",
        "reader/door.py",
        "now_ms - remembered.boot_ms, 0)",
        "at_ms - remembered.boot_ms, 0)",
        promise.test_within_two_minutes_a_tap_repeats_the_answer_though_the_next_session_is_open,
    ),
    (
        "believes_a_receipt_without_its_mac",
        "reader/uplink.py",
        "            elif not self._key.made(said.text.encode(), said.mac):",
        "            elif False:",
        only(
            receipts.test_a_receipt_not_to_be_believed_frees_nothing_and_is_counted, code="mac", wrong=wrong["mac"][0]
        ),
    ),
    (
        "believes_a_receipt_for_another_nonce",
        "reader/uplink.py",
        "        if named not in (self._nonce, self._former) or (self._void",
        "        if (self._void",
        receipts.test_a_receipt_for_the_hello_before_is_refused,
    ),
    (
        "believes_a_receipt_from_before_the_loss",
        "reader/uplink.py",
        "            self._void = True\n            self._former = None\n            self._hello_due = True\n",
        "",
        receipts.test_again_offers_what_the_store_lost_and_makes_older_receipts_void,
    ),
    (
        "believes_a_receipt_beyond_its_head",
        "reader/journal.py",
        "        if up_to > held.head:\n            return False\n",
        "",
        only(
            receipts.test_a_receipt_not_to_be_believed_frees_nothing_and_is_counted,
            code="receipt-beyond-head",
            wrong=wrong["receipt-beyond-head"][0],
        ),
    ),
    (
        "believes_a_receipt_for_another_reader",
        "reader/uplink.py",
        "said.reader != self._reader or said.key",
        "said.key",
        only(
            receipts.test_a_receipt_not_to_be_believed_frees_nothing_and_is_counted,
            code="other-reader",
            wrong=wrong["other-reader"][0],
        ),
    ),
    (
        "frees_past_the_receipt",
        "reader/journal.py",
        "            self._storage.free(journal, up_to)\n"
        "            self.held[place] = statement.Held(held.journal, held.oldest, up_to, held.head)",
        "            self._storage.free(journal, up_to + 1)\n"
        "            self.held[place] = statement.Held(held.journal, held.oldest, up_to + 1, held.head)",
        receipts.test_a_receipt_frees_exactly_up_to_what_it_names,
    ),
    (
        "takes_the_puback_for_a_receipt",
        "reader/uplink.py",
        "            self._passes.append([held.journal",
        "            if self._retry_ms == RETRY_FIRST_MS: self._passes.append([held.journal",
        uplink.test_without_a_receipt_it_is_offered_again_after_30_s_doubling_to_5_min_with_jitter,
    ),
    (
        "taps_put_off_the_retry",
        "reader/uplink.py",
        "what was lost.\n            if self._retry_at_ms is None:\n",
        "what was lost.\n            if True:\n",
        uplink.test_what_was_lost_at_a_busy_door_is_offered_again_though_the_taps_go_on,
    ),
    (
        "retries_wait_longer_without_a_loss",
        "reader/uplink.py",
        "                if not self._waiting():\n",
        "                if False:\n",
        uplink.test_a_quiet_hour_does_not_make_the_next_loss_wait_five_minutes,
    ),
    (
        "no_jitter",
        "reader/uplink.py",
        " + self._random_bytes(1)[0] * delay_ms // 1024",
        "",
        uplink.test_no_jitter_is_the_same_for_two_readers,
    ),
    (
        "the_hello_is_said_once",
        "reader/uplink.py",
        "        if self._hello_due or (",
        "        if self._hello_due or False and (",
        uplink.test_a_hello_that_was_lost_is_said_again_until_the_store_answers_it,
    ),
    (
        "live_swipes_wait_behind_the_backlog",
        "reader/uplink.py",
        "        lines = self._live_lines()\n",
        "        lines = self._backlog_lines(now_ms) or self._live_lines()\n",
        uplink.test_a_live_swipe_goes_before_a_backlog_of_5000,
    ),
    (
        "a_head_that_leaves_journals_out",
        "reader/uplink.py",
        "            if len(self._waiting()) <= JOURNALS_MAX:\n",
        "            if True:\n",
        uplink.test_while_more_journals_wait_than_a_head_can_list_none_is_stated,
    ),
    (
        "the_live_journal_is_the_last_one_held",
        "reader/journal.py",
        "        place = self._place(journal)\n        if place is None:  # it is new",
        "        place = len(self.held) - 1 if seq else None\n        if place is None:  # it is new",
        receipts.test_what_was_recycled_cannot_be_given_again_and_the_rest_is,
    ),
    (
        "one_bad_record_hides_the_rest",
        "reader/uplink.py",
        "                going[1] += 1  # one",
        "                self._passes.pop(0)\n                continue\n                going[1] += 1  # one",
        receipts.test_a_record_that_cannot_be_read_does_not_hide_those_behind_it,
    ),
    (
        "accepts_a_lower_roster_version",
        "reader/door.py",
        "roster.version_ms <= old.version_ms",
        "roster.version_ms == old.version_ms",
        only(
            door.test_a_roster_not_to_be_believed_is_refused_and_counted_and_the_old_one_stays,
            code="roster-older",
            spoil=lambda w, rows: w.roster(rows, version_ms=T0 - 1),
        ),
    ),
    (
        "accepts_any_roster_mac",
        "reader/reader.py",
        "new = self._decode(blob, self.settings.key, self",
        "new = self._decode(blob, None, self",
        only(
            door.test_a_roster_not_to_be_believed_is_refused_and_counted_and_the_old_one_stays,
            code="roster-mac",
            spoil=lambda w, rows: w.roster(rows, version_ms=T0 + 1, key=receipts.STRANGER),
        ),
    ),
    (
        "accepts_another_readers_roster",
        "reader/reader.py",
        "new = self._decode(blob, self.settings.key, self.settings.reader)",
        "new = self._decode(blob, self.settings.key)",
        only(
            door.test_a_roster_not_to_be_believed_is_refused_and_counted_and_the_old_one_stays,
            code="roster-reader",
            spoil=lambda w, rows: w.roster(rows, version_ms=T0 + 1, reader="a-102"),
        ),
    ),
    (
        "red_by_a_stale_roster",
        "reader/door.py",
        "not worth.sure or not self.roster.is_fresh(late)",
        "not worth.sure",
        door.test_an_unknown_card_with_a_stale_roster_gets_the_double_flash_and_never_red,
    ),
    (
        "a_guess_without_a_clock",
        "reader/door.py",
        "        if reading.wall_ms is None or self.roster is None:\n            return Judged(verdict.UNCHECKED, None)",
        "        if self.roster is None:\n            return Judged(verdict.UNCHECKED, None)\n"
        "        if reading.wall_ms is None:\n            return Judged(verdict.GREEN, None)",
        door.test_without_a_clock_it_breathes_and_a_tap_is_kept_with_a_double_flash,
    ),
    (
        "uncertainty_left_out",
        "reader/door.py",
        "answer, at_ms, reading.uncertainty_ms)",
        "answer, at_ms)",
        door.test_where_the_doubt_straddles_the_windows_edge_it_is_stored_to_be_checked,
    ),
    (
        "a_new_roster_forgets_who_is_recorded",
        "reader/door.py",
        "                self._carry_over(old, listed, roster, recorded)",
        "                pass",
        door.test_a_new_roster_keeps_who_is_recorded_already,
    ),
    (
        "no_clock_record_after_a_contradiction",
        "reader/reader.py",
        "            self._unplaced = True  # what was taken",
        "            pass  # what was taken",
        door.test_a_store_that_is_wrong_by_30_years_is_refused_or_put_right_by_the_next_answer,
    ),
]


@pytest.mark.parametrize("name, module, good, bad, test", SABOTEURS, ids=[row[0] for row in SABOTEURS])
def test_the_saboteur_is_caught(name, module, good, bad, test, seed, tmp_path):
    test(make=lambda **how: World(**{"seed": seed, **how}))  # the test passes with the real one
    with broken(tmp_path, f"broken_{name}", module, good, bad) as package:
        world = World(package=package, seed=seed)  # it does run
        world.give([(session(1), [])])
        with pytest.raises((AssertionError, LookupError)):
            test(make=lambda **how: World(**{"package": package, "seed": seed, **how}))
