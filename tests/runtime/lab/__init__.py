"""A laboratory for drains: real containers, real brokers, real workers, and a ledger of every message."""
