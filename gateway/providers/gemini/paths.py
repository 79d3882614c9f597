"""Where a model is found: its name in the paths of both doors.

Knows how the Gemini API and Vertex AI address models. Must not know what is asked
of them. Names go into a path quoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from gateway.config.settings import Target
from gateway.errors import InvalidRequestError

_COLLECTIONS = ("models/", "tunedModels/")
_PUBLISHER = "publishers/google/models/"


@dataclass(frozen=True)
class Door:
    """One of the two ways to Gemini models; ``is_vertex`` is Google Cloud's."""

    is_vertex: bool

    def model_path(self, target: Target) -> str:
        """Return the path of a target's model, ready for ``:method``; raises
        ``InvalidRequestError`` for a name that can't be one.
        """
        name = self.short_name(target.model)
        if not self.is_vertex:
            collection = "tunedModels" if target.model.startswith("tunedModels/") else "models"
            return f"/{collection}/{_quote(name, target)}"
        return f"{_place(target)}/{_PUBLISHER}{_quote(name, target)}"

    def short_name(self, model: str) -> str:
        """Return a model's name without the collection it is listed in."""
        if self.is_vertex:
            return model.removeprefix(_PUBLISHER).removeprefix("google/").removeprefix("models/")
        for collection in _COLLECTIONS:
            model = model.removeprefix(collection)
        return model


GEMINI_API = Door(is_vertex=False)
VERTEX_AI = Door(is_vertex=True)


def _place(target: Target) -> str:
    """Return a project's location in Vertex AI, "" where the key or the base URL says it."""
    project = target.provider.project
    if not project:
        return ""
    return f"/projects/{quote(project, safe='')}/locations/{quote(_location_of(target), safe='')}"


def _location_of(target: Target) -> str:
    """Return where in Google Cloud a target's model runs."""
    return target.provider.region or "global"


def _quote(name: str, target: Target) -> str:
    # Dots alone would lead out of the collection, and can't be quoted.
    if name.strip(".") == "":
        raise InvalidRequestError(
            f"The model '{target.requested_model}' does not exist.",
            param="model",
            code="invalid_value",
        )
    return quote(name, safe="")
