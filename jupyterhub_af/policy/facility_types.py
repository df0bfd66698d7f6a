"""The kinds of values in the facility file: checked by ``values``, described to editors."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)

from . import values

Text = Annotated[StrictStr, Field(min_length=1, max_length=500)]
Slug = Annotated[
    StrictStr,
    BeforeValidator(values.check_slug),
    WithJsonSchema(values.SLUG_SCHEMA),
]
Folder = Annotated[
    StrictStr,
    BeforeValidator(values.check_folder),
    WithJsonSchema(values.FOLDER_SCHEMA),
]
Group = Annotated[
    StrictStr,
    BeforeValidator(values.check_group),
    WithJsonSchema(values.GROUP_SCHEMA),
]
Item = TypeVar("Item")
Filled = Annotated[
    tuple[Item, ...],
    Field(json_schema_extra={"minItems": 1}),
    BeforeValidator(values.check_filled),
]
Groups = Filled[Group]
Memory = Annotated[
    int,
    BeforeValidator(values.check_memory),
    WithJsonSchema(values.MEMORY_SCHEMA),
]
Duration = Annotated[
    int,
    BeforeValidator(values.check_duration),
    WithJsonSchema(values.DURATION_SCHEMA),
]
Cores = Annotated[
    StrictFloat,
    BeforeValidator(values.check_cores),
    WithJsonSchema(values.CORES_SCHEMA),
]
Count = Annotated[StrictInt, Field(ge=1, le=4096)]
Image = Annotated[
    StrictStr,
    BeforeValidator(values.check_image),
    WithJsonSchema(values.IMAGE_SCHEMA),
]
Scope = Annotated[
    StrictStr, BeforeValidator(values.check_scope), WithJsonSchema(values.SCOPE_SCHEMA)
]
ActiveWhile = Literal["kernels", "clusters"]
AccessMode = Annotated[
    Literal["ReadWriteMany", "ReadOnlyMany"], BeforeValidator(values.check_access_mode)
]
ImagePattern = Annotated[
    StrictStr,
    BeforeValidator(values.check_image_pattern),
    WithJsonSchema(values.IMAGE_PATTERN_SCHEMA),
]
