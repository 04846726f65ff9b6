"""`muster gateway revoke`: whoever has its token or its password has nothing any more."""

import muster
from server.policy import outage_facts
from server.store import credentials, gateways, outages
from server.store.engine import reading, writing
from tests.server.store_world import NINE


def test_a_gateway_that_was_stolen_has_no_token_and_no_account_at_the_broker_and_nobody_misses_it(console, capsys):
    here = console.institution_id
    with writing(console.engine) as connection:
        kept, stolen = (gateways.add(connection, here, name, NINE) for name in ("g1", "g2"))
        for token, seen_ms in ((kept, NINE), (stolen, NINE - outage_facts.SILENT_AFTER_MS - 1)):
            gateways.seen(connection, gateways.find(connection, token).id, seen_ms)
    for name in ("g1", "g2"):
        assert muster.main(["broker", "password", "--gateway", name]) == 0
    assert muster.main(["gateway", "revoke", "g2"]) == 0
    with reading(console.engine) as connection:
        assert gateways.find(connection, stolen) is None and gateways.find(connection, kept) is not None
        assert [one.user for one in credentials.held(connection, here)] == ["gateway.g1"]
        assert outage_facts.gateways_away(outages.gateways_seen(connection, here), NINE) == 0
    assert muster.main(["gateway", "revoke", "g2"]) == 1 and "[gateway]" in capsys.readouterr().err
