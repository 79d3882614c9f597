"""Anthropic's Messages API, and whatever else speaks it."""

from gateway.providers.anthropic.provider import Anthropic

__all__ = ["Anthropic"]
