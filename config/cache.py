"""What is kept in a shared cache is JSON, never pickle."""

from __future__ import annotations

import json
from typing import Any


class JsonSerializer:
    """For Django's Redis cache; holds what JSON can say, which is what rate limits need."""

    def dumps(self, value: Any) -> bytes | int:
        """Whole numbers stay numbers, so that the server can count with them."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        return json.loads(data)
