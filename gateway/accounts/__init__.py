"""Who may ask: keys, and the roles that come with them. Must not know HTTP."""
