"""Stored responses, each for its tenant. Must not know what is in them."""
