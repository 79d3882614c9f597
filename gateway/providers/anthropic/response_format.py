"""``response_format`` as Anthropic can honour it: natively, by a tool, or in words.

Knows which of them a model can be held to. Must not know answers; the tool's call is read back
where they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from gateway.providers.anthropic.families import Family
from gateway.providers.anthropic.reasoning import Reasoning
from gateway.providers.anthropic.schema import fit_schema
from gateway.providers.anthropic.tools import ToolPlan
from gateway.serialization import dumps
from gateway.types import ChatRequest
from gateway.validation.fields import unsupported_value, wrong_value

JSON_TOOL = "json_answer"

_ANY_OBJECT = {"type": "object", "properties": {}, "additionalProperties": True}
_IN_WORDS = "Answer with one JSON {kind} and nothing else: no text around it and no code fence."


class Format(NamedTuple):
    """How an answer is formatted: ``output_format`` natively, ``instruction`` in words."""

    plan: ToolPlan
    output_format: dict[str, Any] | None = None
    instruction: str | None = None
    dropped: tuple[str, ...] = ()


def build_format(
    request: ChatRequest, plan: ToolPlan, family: Family, reasoning: Reasoning
) -> Format:
    """Return how a checked request's ``response_format`` is asked for; the plan may get a tool.

    Raises ``InvalidRequestError`` for a strict schema that the model can't be held to.
    """
    wanted = request.get("response_format") or {"type": "text"}
    if wanted["type"] == "text":
        return Format(plan)
    described = wanted.get("json_schema") or {}
    schema = described.get("schema")
    fit = fit_schema(schema) if schema is not None and family.json_schema else None
    if fit is not None:
        lost = tuple(f"response_format.json_schema.schema.{name}" for name in fit.in_words)
        return Format(plan, {"type": "json_schema", "schema": fit.schema}, None, lost)
    if family.forced_tool and not reasoning.is_budgeted and _may_be_object(schema):
        return Format(_add_tool(plan, schema or _ANY_OBJECT, described.get("description")))
    if described.get("strict"):
        raise unsupported_value(
            "response_format",
            "This model can't be held to this schema: set `strict` to false, or leave out "
            "`reasoning_effort` and what the schema has beside closed objects, arrays and values.",
        )
    if schema is None:
        return Format(plan, instruction=_IN_WORDS.format(kind="object"))
    text = _IN_WORDS.format(kind="value") + " It must fit this schema: " + _dump(schema)
    return Format(plan, instruction=text, dropped=("response_format.json_schema",))


def _dump(schema: dict[str, Any]) -> str:
    try:
        return dumps(schema).decode()
    except TypeError:
        param = "response_format.json_schema.schema"
        raise wrong_value(param, f"`{param}` is nested too deeply.") from None


def _add_tool(plan: ToolPlan, schema: dict[str, Any], description: str | None) -> ToolPlan:
    """Return a plan in which an answer is the call of a tool, if it isn't one of another."""
    choice = plan.choice or {"type": "auto"}
    if choice["type"] == "tool":
        return plan
    names = {tool.get("name") for tool in plan.tools}
    name = JSON_TOOL
    while name in names:
        name += "_"
    tool = {
        "name": name,
        "description": description or "Give the whole answer to the user as this tool's input.",
        "input_schema": {"properties": {}, **schema, "type": "object"},
    }
    if choice["type"] == "any":
        return plan
    if choice["type"] == "none" or not plan.tools:
        choice = {"type": "tool", "name": name}
    else:
        choice = {**choice, "type": "any"}
    return replace(plan, tools=(*plan.tools, tool), choice=choice, json_tool=name)


def _may_be_object(schema: dict[str, Any] | None) -> bool:
    """Tell whether a tool's input, which is an object, can be what the schema asks for."""
    return schema is None or schema.get("type") == "object" or "properties" in schema
