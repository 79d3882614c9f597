"""Google's Gemini models: the Gemini API, and the same models in Vertex AI.

Knows ``generateContent`` and its stream (google-genai 3.6, recorded answers). Must not
know Flask or sockets.
"""

from gateway.providers.gemini.provider import Gemini, Vertex

__all__ = ["Gemini", "Vertex"]
