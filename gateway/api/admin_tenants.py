"""``/admin/tenants``: the owners of keys, made, listed, changed and deleted by admins.

Knows Flask. What a tenant is made of is in ``gateway.accounts.keys.schemas``.
"""

from __future__ import annotations

from flask import Blueprint, Response

from gateway.accounts.keys.records import describe_tenant
from gateway.accounts.keys.schemas import TenantSchema
from gateway.api.authentication import require_admin
from gateway.api.fields import PageSchema, RevocationSchema, read_fields, read_query
from gateway.api.responses import json_response
from gateway.api.services import services

bp = Blueprint("admin_tenants", __name__, url_prefix="/admin/tenants")
bp.before_request(require_admin)


@bp.post("")
def create_tenant() -> Response:
    """Make a tenant."""
    tenant = services().accounts.tenants.create(read_fields(TenantSchema()))
    return json_response(describe_tenant(tenant), 201)


@bp.get("")
def list_tenants() -> Response:
    """List tenants, the newest first."""
    page = services().accounts.tenants.list_tenants(**read_query(PageSchema()))
    return json_response({"data": [describe_tenant(each) for each in page.data], "next": page.next})


@bp.get("/<tenant_id>")
def show_tenant(tenant_id: str) -> Response:
    """Show a tenant."""
    return json_response(describe_tenant(services().accounts.tenants.get(tenant_id)))


@bp.patch("/<tenant_id>")
def change_tenant(tenant_id: str) -> Response:
    """Change what is given; in force everywhere within a second."""
    changes = read_fields(TenantSchema(partial=True))
    return json_response(describe_tenant(services().accounts.tenants.change(tenant_id, changes)))


@bp.delete("/<tenant_id>")
def delete_tenant(tenant_id: str) -> Response:
    """Delete a tenant and revoke its keys, everywhere within a second."""
    cut = read_query(RevocationSchema())["now"]
    return json_response(describe_tenant(services().accounts.tenants.delete(tenant_id, cut=cut)))
