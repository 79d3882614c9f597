"""What repeats the figures of docs/performance.md: ``python -m bench``, or ``make bench``."""
