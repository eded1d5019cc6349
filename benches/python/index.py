"""An exact index in plain Python: cosine over a hashed bag of words."""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

DIMENSION = 1024
MODEL = "llasta/lexical-hash-1024"

Vector = Dict[int, float]


def embed(text: str) -> Vector:
    """The words of a text, hashed and counted, as a vector of length 1. Without words it is empty."""
    counts: Dict[int, float] = {}
    for word in re.findall(r"\w+", text.lower()):
        place = zlib.crc32(word.encode()) % DIMENSION
        counts[place] = counts.get(place, 0.0) + 1.0
    length = math.sqrt(sum(count * count for count in counts.values()))
    return {place: count / length for place, count in counts.items()}


@dataclass
class Item:
    id: str
    text: str
    metadata: Optional[Dict[str, Any]]
    vector: Vector


class Index:
    """Items by their id; one that is there already is replaced."""

    def __init__(self) -> None:
        self.items: Dict[str, Item] = {}

    def __len__(self) -> int:
        return len(self.items)

    def put(self, id: str, text: str, metadata: Optional[Dict[str, Any]]) -> None:
        self.items[id] = Item(id, text, metadata, embed(text))

    def nearest(self, query: Vector, top_k: int) -> List[Tuple[Item, float]]:
        """The items that are most like the query, best first."""

        def score(item: Item) -> float:
            return sum(weight * item.vector.get(place, 0.0) for place, weight in query.items())

        scored = [(item, score(item)) for item in self.items.values()]
        scored.sort(key=lambda pair: (-pair[1], pair[0].id))
        return scored[:top_k]
