"""Telling another server of something: one POST of JSON, and whether it was taken.

Knows requests. Must not know what is told.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import requests

SECONDS = 5.0
logger = logging.getLogger("gateway.webhook")


def post_json(url: str, body: bytes) -> bool:
    """Send ``body`` to ``url``; return whether it was answered with a success, in time."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                url,
                body,
                headers={"Content-Type": "application/json"},
                timeout=SECONDS,
                allow_redirects=False,
            )
    except requests.RequestException as error:
        logger.warning("%s can't be told: %s", _shown(url), type(error).__name__)
        return False
    if not answer.ok or answer.is_redirect:
        logger.warning("%s can't be told: it answers %s", _shown(url), answer.status_code)
        return False
    return True


def _shown(url: str) -> str:
    """Return whose URL it is; the rest of it may be a secret."""
    return f"the webhook at {urlsplit(url).hostname}"
