"""The HTTP interface: gateways, the JSON API, health and metrics. Pages stand in server/pages."""
