"""Every shape by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fuzz.survey.sizes import chains, counts, far, frames
from fuzz.survey.sizes.shape import Shape

SHAPES: Final[Mapping[str, Shape]] = MappingProxyType(
    {shape.name: shape for shape in (*far.SHAPES, *frames.SHAPES, *counts.SHAPES, *chains.SHAPES)}
)
