"""Ollama, spoken to in its own protocol (``/api/chat``, ``/api/embed``, ``/api/tags``).

Its OpenAI-compatible paths lose errors in the middle of a stream, the size of the
context and ``max_completion_tokens`` (Ollama v0.25, recorded), so they are not used.
"""

from gateway.providers.ollama.provider import Ollama

__all__ = ["Ollama"]
