"""Everything goes wrong at once, and each failure has to be explained: ``make chaos``."""
