"""What each code of LinkDown tells the technician. Imported when somebody asks: the texts cost 3 KB of heap."""

#: One text a code; a code `mqtt-...` that is not here: the broker does not keep to MQTT 3.1.1, see the broker's log.
REASONS = {
    "link-not-up": "there is no connection yet: the message stays in the journal and is offered again",
    "link-wifi-timeout": "the Wi-Fi did not come up: check the network's name, password and reach",
    "link-wifi-lost": "the Wi-Fi went away: check its reach at this door",
    "link-address": "the broker's name has no address: check the name, or give a numeric address",
    "link-connect": "the broker does not take connections: check its address, port and firewall",
    "link-connect-timeout": "the broker's address does not answer: check address, routing and firewall",
    "link-tls": "no TLS with the broker: check certificate authority, host name and the reader's clock",
    "link-connack-timeout": "something answers at the broker's address but does not speak MQTT in time",
    "link-suback-timeout": "the broker did not confirm our subscriptions",
    "link-subscribe-refused": "the broker refused a subscription: check the access list for this reader",
    "link-puback-timeout": "the broker did not confirm a message in time: the connection is given up",
    "link-window-timeout": "the broker confirms too slowly: too many messages were waiting already",
    "link-pong-timeout": "the broker fell silent: the connection is half open, and given up",
    "link-send-timeout": "the network takes no bytes: the connection is given up",
    "link-closed": "the broker closed the connection: see its log (same client id twice, access list, password)",
    "link-broken": "the connection broke: check the network",
    "link-fault": "a fault of the program in the link: see the log",
    "mqtt-refused-password": "the broker refused user or password: provision this reader again",
    "mqtt-refused-not-authorised": "the broker refused this reader: add it to the broker's users and access list",
}
