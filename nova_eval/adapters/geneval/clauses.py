"""What GenEval's evaluator is asked of an image: clauses that a prompt of one's own may bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from nova_eval import reading
from nova_eval.adapters.geneval.prompts import COLORS, OBJECTS
from nova_eval.errors import UsageError, unknown
from nova_eval.records import Prompt
from nova_eval.sprites.vocabulary import COLORS as PAINTS
from nova_eval.sprites.vocabulary import SHAPES

_RELATIONS = ("left of", "right of", "above", "below")
_PARTS = ("include", "exclude")


_Count = Annotated[int, Field(ge=1, strict=True)]
_Clause = TypedDict(
    "_Clause", {"class": str, "count": _Count, "color": NotRequired[str], "position": NotRequired[tuple[str, int]]}
)
_Clause.__pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[attr-defined]


def check_clauses(prompt: Prompt) -> None:
    """UsageError, one line, for clauses that no image could meet, or every one: they would be scored all the same.

    That is a class, color or relation that no judge knows, a count below 1, a position to a clause that does not stand
    before, or no clause at all. GenEval's own prompts and the embedded world's pass.
    """
    where = f"the prompt {prompt.id}"
    clauses = {part: _clauses(prompt.reference, part, where) for part in _PARTS}
    if not any(clauses.values()):
        raise UsageError(f"{where} asks for nothing: no clause in 'include'", remedy="name a class and a count")
    for part, found in clauses.items():
        for place, clause in enumerate(found):
            here = f"in {part}[{place}] of {where}"
            for kind, name, known in (
                ("class", clause["class"], {*OBJECTS, *SHAPES}),
                ("color", clause.get("color"), {*COLORS, *PAINTS}),
                ("relation", clause.get("position", (None, 0))[0], _RELATIONS),
            ):
                if name is not None and name not in known:
                    raise unknown(f"{kind} {here}", name, known)
            if "position" in clause and not 0 <= clause["position"][1] < place:
                raise UsageError(f"the position {here} is to clause {clause['position'][1]}, which is not before it")


def _clauses(reference: Mapping[str, Any], part: str, where: str) -> Sequence[Any]:
    rows = reference.get(part) or []
    return reading.typed(rows, f"{where}, {part}", list[_Clause], remedy="a clause needs 'class' and 'count'")
