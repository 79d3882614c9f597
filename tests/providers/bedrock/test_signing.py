"""Signed requests, against botocore's own."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from gateway.config.settings import ProviderSettings
from gateway.errors import ConfigurationError
from gateway.providers.bedrock import Bedrock
from gateway.providers.bedrock.signing import find_region
from gateway.transport.upstream import Upstream
from gateway.transport.watch import open_watch
from gateway.types import UpstreamRequest
from tests.upstream import answer, serve_upstream

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def settings(base_url: str = "http://127.0.0.1:9", **fields: Any) -> ProviderSettings:
    return ProviderSettings("bedrock", "bedrock", base_url, **fields)


def signed_settings(base_url: str, **fields: Any) -> ProviderSettings:
    return settings(
        base_url,
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        secret_access_key=SECRET,
        region="eu-west-1",
        **fields,
    )


def test_each_request_is_signed_as_botocore_signs_it() -> None:
    auth = pytest.importorskip("botocore.auth", reason="botocore is not installed")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    with serve_upstream() as server:
        url = server.url
        server.handler = answer(b"{}")
        configured = signed_settings(url, session_token="token+/=")
        provider = Bedrock()
        upstream = Upstream(
            configured, provider.build_headers, sign=provider.build_signer(configured)
        )
        path = "/model/a.b-v1%3A0/converse"
        for body in (b'{"a":1}', b'{"a":2}'):
            watch = open_watch(5)
            exchange = upstream.send(UpstreamRequest("POST", path, body), watch)
            assert exchange.read(100) == b"{}"
            exchange.finish()
            watch.close()
        upstream.close()
    assert [request.path for request in server.requests] == [path, path]
    for request in server.requests:
        expected = AWSRequest(
            "POST",
            url + path,
            headers={
                "Content-Type": "application/json",
                "X-Amz-Date": request.headers["x-amz-date"],
                "X-Amz-Security-Token": "token+/=",
            },
            data=request.body,
        )
        expected.context["timestamp"] = request.headers["x-amz-date"]
        signer = auth.SigV4Auth(
            Credentials("AKIAIOSFODNN7EXAMPLE", SECRET, "token+/="), "bedrock", "eu-west-1"
        )
        canonical = signer.canonical_request(expected)
        signature = signer.signature(signer.string_to_sign(expected, canonical), expected)
        assert request.headers["authorization"].endswith(f"Signature={signature}")
        assert request.headers["x-amz-security-token"] == "token+/="
        assert SECRET not in str(request.headers)


def test_a_request_without_a_body_is_signed_too() -> None:
    pytest.importorskip("botocore.auth", reason="botocore is not installed")
    sign = Bedrock().build_signer(signed_settings("http://127.0.0.1:9"))
    assert sign is not None
    headers = sign("GET", "http://127.0.0.1:9/foundation-models", {}, None)
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")


def test_an_api_key_or_a_header_of_ones_own_needs_no_signature() -> None:
    assert Bedrock().build_signer(settings(api_keys=("key",))) is None
    assert Bedrock().build_signer(settings(headers={"authorization": "Bearer x"})) is None
    assert Bedrock().build_headers("key") == {"Authorization": "Bearer key"}


def test_missing_botocore_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(ConfigurationError) as caught:
        Bedrock().build_signer(settings())
    assert str(caught.value) == (
        "provider bedrock has no api_key, so its requests are signed, for which botocore is "
        "needed: pip install -r requirements-bedrock.txt"
    )


def test_half_of_the_credentials_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="both access_key_id and secret_access_key"):
        Bedrock().build_signer(settings(access_key_id="a"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"region": "eu-west-1"}, "eu-west-1"),
        ({"base_url": "https://bedrock-runtime.ap-south-1.amazonaws.com"}, "ap-south-1"),
        ({"base_url": "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com"}, "us-gov-west-1"),
        (
            {"base_url": "https://vpce-1-2.bedrock-runtime.eu-west-3.vpce.amazonaws.com"},
            "eu-west-3",
        ),
        ({"base_url": "https://proxy.example.com"}, "us-east-1"),
    ],
)
def test_the_region_is_that_of_the_settings_or_the_host(fields: Any, expected: str) -> None:
    assert find_region(settings(**fields)) == expected
