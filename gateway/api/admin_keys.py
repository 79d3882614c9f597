"""``/admin/keys``: made, listed, changed, rotated and revoked by admins.

Knows Flask. What a key is made of is in ``gateway.accounts.keys.schemas``.
"""

from __future__ import annotations

from flask import Blueprint, Response

from gateway.accounts.keys.key_store import NewKey
from gateway.accounts.keys.records import describe_key
from gateway.accounts.keys.schemas import KeySchema, RotationSchema
from gateway.api.authentication import require_admin
from gateway.api.fields import KeyPageSchema, RevocationSchema, read_fields, read_query
from gateway.api.responses import json_response
from gateway.api.services import services

bp = Blueprint("admin_keys", __name__, url_prefix="/admin/keys")
bp.before_request(require_admin)


@bp.post("")
def create_key() -> Response:
    """Make a key. This answer alone shows it."""
    return _show_once(services().accounts.keys.create(read_fields(KeySchema())), 201)


@bp.get("")
def list_keys() -> Response:
    """List keys, the newest first."""
    page = services().accounts.keys.list_keys(**read_query(KeyPageSchema()))
    return json_response({"data": [describe_key(key) for key in page.data], "next": page.next})


@bp.get("/<key_id>")
def show_key(key_id: str) -> Response:
    """Show a key's settings; the key itself is not known any more."""
    return json_response(describe_key(services().accounts.keys.get(key_id)))


@bp.patch("/<key_id>")
def change_key(key_id: str) -> Response:
    """Change what is given; in force everywhere within a second."""
    changes = read_fields(KeySchema(partial=True))
    return json_response(describe_key(services().accounts.keys.change(key_id, changes)))


@bp.delete("/<key_id>")
def revoke_key(key_id: str) -> Response:
    """Revoke a key for ever, everywhere within a second."""
    cut = read_query(RevocationSchema())["now"]
    return json_response(describe_key(services().accounts.keys.revoke(key_id, cut=cut)))


@bp.post("/<key_id>/rotate")
def rotate_key(key_id: str) -> Response:
    """Give a key another text. This answer alone shows it."""
    overlap = read_fields(RotationSchema(), is_optional=True)["overlap_seconds"]
    return _show_once(services().accounts.keys.rotate(key_id, overlap), 200)


def _show_once(new: NewKey, status: int) -> Response:
    described = describe_key(new.record)
    shown = {"id": described.pop("id"), "key": new.key, **described}
    return json_response(shown, status, {"Cache-Control": "no-store"})
