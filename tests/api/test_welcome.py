"""What clients find at the root."""

from __future__ import annotations

from flask.testing import FlaskClient


def test_programs_are_greeted_as_by_ollama(client: FlaskClient) -> None:
    got = client.get("/")
    assert (got.status_code, got.text) == (200, "Ollama is running")
    assert client.head("/").status_code == 200


def test_a_browser_finds_nothing(client: FlaskClient) -> None:
    got = client.get("/", headers={"Accept": "text/html,*/*"})
    assert got.status_code == 404
