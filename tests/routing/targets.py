"""Targets to route between."""

from __future__ import annotations

from typing import Any

from gateway.config.settings import ProviderSettings, Target, TargetSettings

LAB = ProviderSettings("lab", "openai", "http://lab.example.com/v1")


def target(name: str, provider: ProviderSettings = LAB, **settings: Any) -> Target:
    """Return the target of a public model that says ``settings`` of it."""
    return Target(provider, name, "public", TargetSettings(**settings))
