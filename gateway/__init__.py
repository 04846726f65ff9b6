"""MQTT in, spooled, forwarded to the store; rosters and receipts out."""
