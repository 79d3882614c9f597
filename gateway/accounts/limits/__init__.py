"""Limits and budgets: what a request may take, reserved and settled."""
