"""The services' codec: msgspec writes, Pydantic reads and refuses what does not fit. Any thread."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from pydantic import TypeAdapter, ValidationError

from qi.errors import BadRequest, Invalid
from qi.messages import STUDIO_ONLY

T = TypeVar("T")

_encoder = msgspec.json.Encoder()


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _shaped(kind: Any) -> msgspec.json.Decoder[Any] | None:
    """For what only the studio's own services ask: its types are checked, its bounds are theirs to keep. A third of
    the price."""
    return msgspec.json.Decoder(kind) if getattr(kind, "needs", None) == STUDIO_ONLY else None


class Checked:
    """Validates every field on the way in; see :class:`qi.codec.Codec`."""

    def encode(self, value: Any) -> bytes:
        try:
            return _encoder.encode(value)
        except (ValueError, TypeError) as error:  # UnicodeEncodeError too: half a surrogate pair
            raise BadRequest(f"{type(value).__name__} cannot be sent: {error}") from error

    def decode(self, kind: type[T], data: bytes) -> T:
        shaped = _shaped(cast(Any, kind))
        if shaped is not None:
            # Pydantic says in full what is wrong with one that does not fit.
            with suppress(msgspec.DecodeError):
                return cast(T, shaped.decode(data))
        try:
            return cast(T, _adapter(cast(Any, kind)).validate_json(data or b"{}"))
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            if any(item["type"] == "json_invalid" for item in found):
                raise BadRequest("the message is not JSON") from error
            fields = {".".join(map(str, item["loc"])) or "(message)": item["msg"] for item in found}
            where = ", ".join(f"{path}: {what}" for path, what in fields.items())
            raise Invalid(f"not a valid {getattr(kind, '__name__', kind)}: {where}", fields=fields) from error
