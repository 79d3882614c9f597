"""Azure OpenAI: OpenAI's format under other paths, and with errors of its own.

Knows both of its APIs: v1, and the classic one, whose model is a deployment in the
path and whose version is a setting (the transport adds it to every address). Must
not know the format itself, which is ``gateway.providers.openai``'s.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from gateway.config.settings import Target
from gateway.errors import GatewayError, NotFoundError, UpstreamError
from gateway.providers.openai import OpenAI
from gateway.providers.openai.errors import parse_error
from gateway.providers.openai.request import drop_reasoning
from gateway.providers.openai.responses import RESPONSES_PATH
from gateway.providers.rate_limits import OPENAI_COUNTED, RateLimits, ratelimit_names
from gateway.types import ChatRequest

_CLASSIC = "/openai"
_FIRST_WITH_USAGE = "2024-09-01"
_RATE_LIMITS = RateLimits(
    {what: (*names[:2], "") for what, names in ratelimit_names(OPENAI_COUNTED).items()}
)
"""Without resets: plain numbers, reported as seconds, but recorded as what must be milliseconds."""


class Azure(OpenAI):
    """Implements ``gateway.providers.base.Provider``.

    A target's model is the name of a deployment; answers tell the model behind it.
    """

    rate_limits = _RATE_LIMITS

    def lists_names(self) -> bool:
        """Tell that it hasn't: the list is of models, and requests name deployments.

        Those are listed by Azure's management API alone, which takes no API key.
        """
        return False

    def build_headers(self, api_key: str | None) -> Mapping[str, str]:
        """Return the ``api-key`` header, if there is a key (an Entra token is a header already)."""
        return {"api-key": api_key} if api_key else {}

    def build_path(self, operation: str, target: Target) -> str:
        """Return the path of an operation; on the classic API the deployment is part of it.

        But for Responses, which have the deployment as their model there too.
        """
        if operation == RESPONSES_PATH or not _is_classic(target):
            return operation
        return f"/deployments/{quote(target.model, safe='')}{operation}"

    def can_tell_usage(self, target: Target) -> bool:
        """Tell whether this version of the API knows ``stream_options``."""
        return (target.provider.api_version or _FIRST_WITH_USAGE) >= _FIRST_WITH_USAGE

    def adapt_body(self, body: ChatRequest, target: Target) -> tuple[ChatRequest, list[str]]:
        """Return a chat request without what only answers have."""
        body, dropped = super().adapt_body(body, target)
        drop_reasoning(body)
        return body, dropped

    def parse_error(
        self, status: int, headers: Mapping[str, str], body: bytes, target: Target
    ) -> GatewayError:
        """Map an answer whose status is not 200. Never raises.

        A deployment there is not is a model not found; any other 404 a wrong address.
        """
        error = parse_error(status, headers, body, time.time())
        if not isinstance(error, NotFoundError):
            return error
        if error.code == "DeploymentNotFound":
            error.code, error.param = "model_not_found", "model"
            return error
        if error.code == "404":
            wrong = UpstreamError(
                "The provider knows no such path (HTTP 404): its base URL or API version "
                "may be wrong.",
                should_retry=False,
            )
            wrong.upstream_status = error.upstream_status
            return wrong
        return error


def _is_classic(target: Target) -> bool:
    return urlsplit(target.provider.base_url).path == _CLASSIC
