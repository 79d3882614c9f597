"""A client's request as one target gets it.

Knows ``set`` and ``drop`` of a target. Must not know what any parameter means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config.settings import Target, TargetSettings
from gateway.types import NativeRequest


def build_target_request(
    request: dict[str, Any], target: Target
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the request with the target's ``set`` and ``drop`` applied, and what gave way.

    These are the names of parameters the client gave (null counts as not given) that
    were dropped, or set to another value. The client's request stays as it is.
    """
    settings = target.settings
    if not settings.set and not settings.drop:
        return request, ()
    changed = _changed(request, settings)
    if isinstance(request, NativeRequest):
        changed = NativeRequest(
            changed,
            request.dialect,
            _changed(request.native, settings),
            request.native_headers,
            request.untranslated,
            request.native_only,
            _without(request.preferences, settings),
        )
    gone = tuple(
        name
        for name, value in request.items()
        if value is not None and (name not in changed or changed[name] != value)
    )
    return changed, gone


def _without(request: Mapping[str, Any], settings: TargetSettings) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name not in settings.drop}


def _changed(request: dict[str, Any], settings: TargetSettings) -> dict[str, Any]:
    kept = _without(request, settings)
    return {**kept, **settings.set}
