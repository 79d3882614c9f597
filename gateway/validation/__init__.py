"""What OpenAI's API asks of a request, for providers that have to translate it.

Knows OpenAI's request fields: their types, ranges and dependencies. Must not
know what any one provider can honour, nor change a request.
"""

from gateway.validation.chat import REASONING_EFFORTS, check_chat_request
from gateway.validation.embeddings import check_embeddings_request

__all__ = ["REASONING_EFFORTS", "check_chat_request", "check_embeddings_request"]
