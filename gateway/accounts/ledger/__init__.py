"""The books: what was used, written down, summed up and kept. Must not know limits nor keys."""
