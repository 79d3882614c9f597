"""An AI gateway: one OpenAI-compatible HTTP API over local and hosted language models.

Nothing is imported here, so that a gunicorn configuration may name classes of
this package before gevent has patched the standard library.
"""

__version__ = "0.1.0"
