"""Amazon Bedrock, spoken to by its Converse API, the same for all models behind it."""

from gateway.providers.bedrock.provider import Bedrock

__all__ = ["Bedrock"]
