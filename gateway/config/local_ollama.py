"""Whether Ollama is on this machine: the configuration's one look at the network."""

from __future__ import annotations

import socket

OLLAMA_PORT = 11434

_PATIENCE_SECONDS = 0.3


def is_ollama_listening(host: str = "localhost", port: int = OLLAMA_PORT) -> bool:
    """Tell whether something takes connections where Ollama is by default."""
    try:
        socket.create_connection((host, port), timeout=_PATIENCE_SECONDS).close()
    except OSError:
        return False
    return True
