"""OpenAI, and whatever answers exactly as it does: everything passes through."""

from gateway.providers.openai.provider import OpenAI, OpenAIChatCall, OpenAIEmbeddingsCall

__all__ = ["OpenAI", "OpenAIChatCall", "OpenAIEmbeddingsCall"]
