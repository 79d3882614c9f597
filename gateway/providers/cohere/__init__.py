"""Cohere, spoken to in its own API (``/v2/chat``, ``/v2/embed``, ``/v1/models``).

Its OpenAI-compatible layer has neither citations nor thinking, so it is not used.
"""

from gateway.providers.cohere.provider import Cohere

__all__ = ["Cohere"]
