"""Who may ask, how much, and what they have used. Must not know HTTP."""
