"""The end-to-end proof: a stack in a real cluster under load, and a ledger of every message."""
