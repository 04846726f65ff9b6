"""What a gateway brought, step by step: believed or not, placed, answered. server/deliveries.py is the whole."""
