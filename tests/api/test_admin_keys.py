"""Keys and tenants by the admin API: what can be made, seen, changed, and what is refused."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.accounts.keys.key_format import is_key
from gateway.api.services import EXTENSION
from tests.api.conftest import ADMIN_KEY, BEARER, CHAT, BuildApp, chat_body
from tests.waiting import wait_until

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
KEYS = "/admin/keys"
TENANTS = "/admin/tenants"
EVERYTHING = {
    "name": "alice",
    "owner": "team",
    "role": "user",
    "enabled": True,
    "models": ["fast", "demo/*"],
    "allowed_ips": ["127.0.0.0/8"],
    "rate_limit": "100/minute",
    "token_rate_limit": "50000/minute",
    "max_concurrency": 10,
    "budget": {"usd": 20.5, "per": "month", "soft_limit": 0.8},
    "priority": 5,
    "metadata": {"cost center": 7},
    "expires_at": "2035-01-31T12:00:00Z",
}


def create(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(KEYS, json={"name": "alice", **fields}, headers=ADMIN)
    assert answer.status_code == 201, answer.json
    return dict(answer.get_json())


def ask(client: FlaskClient, key: str, model: str = "demo/echo", **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    return client.post(CHAT, json=chat_body(model=model), headers=headers, **options)


def test_a_key_with_only_a_name_may_chat(client: FlaskClient) -> None:
    made = create(client)
    assert is_key(made["key"])
    assert ask(client, made["key"]).status_code == 200
    assert (made["role"], made["status"], made["owner"]) == ("user", "active", None)


def test_everything_that_is_set_is_shown_again(client: FlaskClient) -> None:
    made = create(client, **EVERYTHING)
    shown = client.get(f"{KEYS}/{made['id']}", headers=ADMIN).json
    assert shown is not None
    assert {name: shown[name] for name in EVERYTHING} == EVERYTHING
    assert {**shown, "key": made["key"]} == made
    tenants = client.get(TENANTS, headers=ADMIN).json
    assert tenants is not None
    assert [each["name"] for each in tenants["data"]] == ["team"]


def test_the_principal_has_what_was_set(app: Flask, client: FlaskClient) -> None:
    tenant = {"name": "team", "rate_limit": "7/hour", "budget": {"tokens": 9, "per": "day"}}
    assert client.post(TENANTS, json=tenant, headers=ADMIN).status_code == 201
    made = create(client, **EVERYTHING)
    principal = app.extensions[EXTENSION].current.accounts.authenticate(made["key"])
    assert principal.key_id == principal.tenant == made["id"]
    assert (principal.name, principal.owner, principal.priority) == ("alice", "team", 5)
    assert principal.limits.rate_limit == "100/minute"
    assert str(principal.limits.budget.usd) == "20.5"
    assert principal.owner_limits.rate_limit == "7/hour"
    assert principal.owner_limits.budget.tokens == 9


def test_a_key_is_shown_once_and_never_again(client: FlaskClient) -> None:
    made = create(client)
    answers = [client.get(KEYS, headers=ADMIN), client.get(f"{KEYS}/{made['id']}", headers=ADMIN)]
    assert all(made["key"] not in answer.text for answer in answers)
    assert all('"key"' not in answer.text for answer in answers)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "name must be a text of 1 to 200 printable characters."),
        ("name", None, "name must be a text of 1 to 200 printable characters."),
        ("name", "a\nb", "name must be a text of 1 to 200 printable characters."),
        ("role", "owner", "role must be user or admin."),
        ("enabled", "yes", "enabled must be true or false."),
        ("models", "fast", 'models must be a list of names and patterns such as ["fast", '),
        ("models", [1], "models[0] must be a text"),
        ("allowed_ips", ["10.0.0.0/40"], "allowed_ips[0] must be an IP address or a network"),
        ("rate_limit", "fast", "rate_limit must be a rate such as 100/minute, or null"),
        ("token_rate_limit", 5, "token_rate_limit must be a rate such as 100/minute"),
        ("max_concurrency", 0, "max_concurrency must be a whole number 1 to 1000000."),
        ("max_concurrency", 10**12, "max_concurrency must be a whole number 1 to 1000000."),
        ("max_concurrency", True, "max_concurrency must be a whole number 1 to 1000000."),
        ("budget", 20, 'budget must be an object such as {"usd": 20, "per": "month"}'),
        ("budget", {"per": "day"}, "budget needs either usd or tokens"),
        ("budget", {"usd": 1, "tokens": 1}, "budget needs either usd or tokens"),
        ("budget", {"usd": -1}, "budget.usd must be an amount of US dollars above 0"),
        ("budget", {"usd": 1, "per": "year"}, "budget.per must be one of day, week, month, total"),
        ("budget", {"eur": 1}, "budget.eur is not known"),
        ("priority", 1.5, "priority must be a whole number -1000 to 1000."),
        ("expires_at", "2030-01-01", "expires_at must be a time with its zone"),
        ("expires_at", 1e300, "expires_at must be a time with its zone"),
        ("metadata", [], "metadata must be a JSON object of 16 KiB at most."),
        ("metadata", {"a": "x" * 20_000}, "metadata must be a JSON object of 16 KiB at most."),
        ("key", "gw_own", "key is set by the gateway and can't be changed."),
        ("modles", ["a"], "modles is not known; did you mean models?"),
    ],
)
def test_a_wrong_field_is_named_with_what_would_be_right(
    client: FlaskClient, field: str, value: Any, message: str
) -> None:
    answer = client.post(KEYS, json={"name": "alice", field: value}, headers=ADMIN)
    assert answer.status_code == 400
    error = (answer.json or {})["error"]
    assert error["message"].startswith(message)
    assert error["param"].startswith(field)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'"name"'])
def test_what_is_no_object_is_refused(client: FlaskClient, body: bytes) -> None:
    assert client.post(KEYS, data=body, headers=ADMIN).status_code == 400


def test_hostile_text_stays_text(client: FlaskClient) -> None:
    name = "'; DROP TABLE keys; -- {{7*7}} %s <script>"
    made = create(client, name=name, owner=name)
    assert made["name"] == made["owner"] == name
    found = client.get(KEYS, query_string={"search": "DROP TABLE"}, headers=ADMIN).json
    assert [each["id"] for each in (found or {})["data"]] == [made["id"]]
    assert ask(client, made["key"]).status_code == 200


def test_a_change_is_in_force_and_keeps_the_rest(client: FlaskClient) -> None:
    made = create(client, **EVERYTHING)
    changes: dict[str, Any] = {"models": [], "budget": None, "owner": None, "name": "bob"}
    answer = client.patch(f"{KEYS}/{made['id']}", json=changes, headers=ADMIN)
    assert answer.status_code == 200
    changed = answer.json or {}
    assert {name: changed[name] for name in changes} == changes
    assert changed["rate_limit"] == EVERYTHING["rate_limit"]


def test_a_disabled_or_expired_or_revoked_key_is_refused_with_the_reason(
    client: FlaskClient,
) -> None:
    made = create(client)
    path = f"{KEYS}/{made['id']}"
    assert ask(client, made["key"]).status_code == 200
    client.patch(path, json={"enabled": False}, headers=ADMIN)
    wait_until(lambda: ask(client, made["key"]).status_code == 401)
    assert "is disabled" in ask(client, made["key"]).text
    client.patch(path, json={"enabled": True}, headers=ADMIN)
    wait_until(lambda: ask(client, made["key"]).status_code == 200)
    client.patch(path, json={"expires_at": time.time() - 5}, headers=ADMIN)
    wait_until(lambda: ask(client, made["key"]).status_code == 401)
    assert "expired at" in ask(client, made["key"]).text
    client.patch(path, json={"expires_at": None}, headers=ADMIN)
    wait_until(lambda: ask(client, made["key"]).status_code == 200)
    revoked = client.delete(path, headers=ADMIN)
    assert (revoked.json or {})["status"] == "revoked"
    wait_until(lambda: ask(client, made["key"]).status_code == 401)
    assert "was revoked" in ask(client, made["key"]).text
    assert client.patch(path, json={"name": "x"}, headers=ADMIN).status_code == 409
    assert client.post(f"{path}/rotate", headers=ADMIN).status_code == 409
    assert client.delete(path, headers=ADMIN).status_code == 200


def test_a_key_expires_by_itself(client: FlaskClient) -> None:
    expires_at = time.time() + 1.5
    made = create(client, expires_at=expires_at)
    assert ask(client, made["key"]).status_code == 200
    time.sleep(expires_at - time.time() + 0.01)
    assert ask(client, made["key"]).status_code == 401


def test_the_old_text_of_a_rotated_key_is_good_for_the_overlap(client: FlaskClient) -> None:
    made = create(client)
    answer = client.post(
        f"{KEYS}/{made['id']}/rotate", json={"overlap_seconds": 2}, headers=ADMIN
    ).json
    assert answer is not None
    assert answer["id"] == made["id"]
    assert answer["key"] != made["key"]
    assert ask(client, made["key"]).status_code == 200
    assert ask(client, answer["key"]).status_code == 200
    wait_until(lambda: ask(client, made["key"]).status_code == 401)
    assert ask(client, answer["key"]).status_code == 200


def test_a_key_may_use_only_its_models(build_app: BuildApp) -> None:
    client = build_app().test_client()
    allowed = create(client, models=["demo/*"])["key"]
    refused = create(client, models=["fast", "ollama/*"])["key"]
    assert ask(client, allowed).status_code == 200
    answer = ask(client, refused)
    assert answer.status_code == 403
    assert answer.json["error"]["code"] == "model_not_allowed"
    assert answer.json["error"]["param"] == "model"
    for key, ids in ((allowed, ["demo/echo"]), (refused, [])):
        headers = {"Authorization": f"Bearer {key}"}
        listed = client.get("/v1/models", headers=headers).json or {}
        assert [model["id"] for model in listed["data"]] == ids
        tags = client.get("/api/tags", headers=headers).json or {}
        assert len(tags["models"]) == len(ids)
        status = 200 if ids else 403
        assert client.get("/v1/models/demo/echo", headers=headers).status_code == status
        shown = client.post("/api/show", json={"model": "demo/echo"}, headers=headers)
        assert shown.status_code == status
        loaded = client.post("/api/generate", json={"model": "demo/echo"}, headers=headers)
        assert loaded.status_code == status
        embedded = {"model": "demo/echo", "input": "a"}
        assert (
            client.post("/v1/embeddings", json=embedded, headers=headers).status_code == 403
        ) == (status == 403)


@pytest.mark.parametrize(
    ("address", "networks", "status"),
    [
        ("10.1.2.3", ["10.0.0.0/8"], 200),
        ("::ffff:10.1.2.3", ["10.0.0.0/8"], 200),
        ("11.1.2.3", ["10.0.0.0/8", "192.168.0.1"], 403),
        ("192.168.0.1", ["10.0.0.0/8", "192.168.0.1"], 200),
        ("2001:db8::1", ["2001:db8::/32"], 200),
        ("", ["0.0.0.0/0"], 403),
    ],
)
def test_a_key_may_be_used_only_from_its_addresses(
    client: FlaskClient, address: str, networks: list[str], status: int
) -> None:
    key = create(client, allowed_ips=networks)["key"]
    answer = ask(client, key, environ_overrides={"REMOTE_ADDR": address})
    assert answer.status_code == status


def test_the_address_is_that_which_as_many_proxies_as_trusted_tell(build_app: BuildApp) -> None:
    client = build_app(trusted_proxy_hops=1).test_client()
    key = create(client, allowed_ips=["10.0.0.0/8"])["key"]
    headers = {"Authorization": f"Bearer {key}"}
    for sent, status in (("10.0.0.1", 200), ("10.0.0.1, 8.8.8.8", 403)):
        forwarded = {**headers, "X-Forwarded-For": sent}
        assert client.get("/v1/models", headers=forwarded).status_code == status


def test_without_trusted_proxies_a_forged_address_counts_for_nothing(client: FlaskClient) -> None:
    key = create(client, allowed_ips=["10.0.0.0/8"])["key"]
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "10.0.0.1"}
    assert client.get("/v1/models", headers=headers).status_code == 403


def test_pages_hold_everything_once_and_the_newest_first(client: FlaskClient) -> None:
    made = [create(client, name=f"key {number}")["id"] for number in range(7)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = client.get(KEYS, query_string=query, headers=ADMIN).json or {}
        seen += [each["id"] for each in page["data"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == made[::-1]


def test_search_finds_parts_of_names_owners_and_ids(client: FlaskClient) -> None:
    alice = create(client, name="Alice 100%", owner="Team_One")
    create(client, name="Bob", owner="TeamXOne")
    for text in ("alice", "100%", "team_one", alice["id"][4:12]):
        found = client.get(KEYS, query_string={"search": text}, headers=ADMIN).json or {}
        assert [each["id"] for each in found["data"]] == [alice["id"]], text
    owned = client.get(KEYS, query_string={"owner": "Team_One"}, headers=ADMIN).json or {}
    assert [each["id"] for each in owned["data"]] == [alice["id"]]


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "x"}, {"limit": "1001"}, {"cursor": "none"}, {"page": "2"}]
)
def test_a_wrong_query_is_refused_by_name(client: FlaskClient, query: dict[str, str]) -> None:
    answer = client.get(KEYS, query_string=query, headers=ADMIN)
    assert answer.status_code == 400
    assert (answer.json or {})["error"]["param"] in query


def test_what_is_not_there_is_404(client: FlaskClient) -> None:
    for path in (f"{KEYS}/key_0", f"{TENANTS}/tenant_0", f"{KEYS}/%00", f"{TENANTS}/%00"):
        assert client.get(path, headers=ADMIN).status_code == 404
        assert client.patch(path, json={}, headers=ADMIN).status_code == 404
        assert client.delete(path, headers=ADMIN).status_code == 404


def test_a_tenants_name_is_unique_until_it_is_deleted(client: FlaskClient) -> None:
    first = client.post(TENANTS, json={"name": "team"}, headers=ADMIN).json or {}
    again = client.post(TENANTS, json={"name": "team"}, headers=ADMIN)
    assert again.status_code == 409
    assert (again.json or {})["error"]["param"] == "name"
    assert client.delete(f"{TENANTS}/{first['id']}", headers=ADMIN).status_code == 200
    assert client.post(TENANTS, json={"name": "team"}, headers=ADMIN).status_code == 201


def test_what_happens_to_a_tenant_happens_to_its_keys(client: FlaskClient) -> None:
    made = create(client, owner="team")
    other = create(client, owner="other")
    tenants = client.get(TENANTS, query_string={"search": "team"}, headers=ADMIN).json or {}
    path = f"{TENANTS}/{tenants['data'][0]['id']}"
    assert ask(client, made["key"]).status_code == 200
    client.patch(path, json={"enabled": False, "name": "squad"}, headers=ADMIN)
    wait_until(lambda: ask(client, made["key"]).status_code == 401)
    client.patch(path, json={"enabled": True}, headers=ADMIN)
    wait_until(lambda: ask(client, made["key"]).status_code == 200)
    assert (client.get(f"{KEYS}/{made['id']}", headers=ADMIN).json or {})["owner"] == "squad"
    client.delete(path, headers=ADMIN)
    wait_until(lambda: ask(client, made["key"]).status_code == 401)
    assert ask(client, other["key"]).status_code == 200


def test_wrong_keys_are_held_up_by_address_and_good_ones_never(client: FlaskClient) -> None:
    good = create(client)["key"]
    statuses = [ask(client, "wrong key of somebody").status_code for _ in range(52)]
    assert statuses == [401] * 50 + [429] * 2
    held = ask(client, "wrong key of somebody")
    assert held.json["error"]["code"] == "too_many_wrong_keys"
    assert 0 < int(held.headers["Retry-After"]) <= 60
    assert ask(client, good).status_code == 200
    assert client.get("/v1/models", headers=BEARER).status_code == 200
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert ask(client, "another wrong key", environ_overrides=elsewhere).status_code == 401


def test_last_used_is_told_after_a_while(client: FlaskClient) -> None:
    made = create(client)
    assert made["last_used_at"] is None
    ask(client, made["key"])

    def is_told() -> bool:
        shown = client.get(f"{KEYS}/{made['id']}", headers=ADMIN).json or {}
        return shown["last_used_at"] is not None

    wait_until(is_told)


def test_no_route_lets_a_key_use_a_model_it_may_not(client: FlaskClient) -> None:
    headers = {"Authorization": f"Bearer {create(client, models=['fast'])['key']}"}
    body = {
        "model": "demo/echo",
        "messages": [{"role": "user", "content": "hi"}],
        "input": "hi",
        "prompt": "hi",
        "query": "hi",
        "documents": ["hi"],
        "max_tokens": 5,
    }
    routes = [
        rule.rule
        for rule in client.application.url_map.iter_rules()
        if "POST" in (rule.methods or ()) and not rule.rule.startswith("/admin")
        if not rule.arguments  # of something that there is already
    ]
    assert len(routes) >= 10
    for route in routes:
        options: dict[str, Any] = {"json": body}
        if "/audio/transcriptions" in route or "/audio/translations" in route:
            options = {"data": {"model": "demo/echo", "file": (io.BytesIO(b"RIFF"), "a.wav")}}
        elif "/images/edits" in route or "/images/variations" in route:
            options = {"data": {**body, "image": (io.BytesIO(b"PNG"), "a.png")}}
        answer = client.post(route, headers=headers, **options)
        assert answer.status_code == 403, (route, answer.text)
