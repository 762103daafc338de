"""The `books` section of a configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config_fields import Section


class BooksConfig(Section):
    """Order books beside the trades; without the section there are none.

    Attributes:
        levels: Of each side, best first, that the imbalance is of.
    """

    levels: Annotated[int, Field(ge=1, le=50)] = 10
