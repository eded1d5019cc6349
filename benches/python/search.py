"""One search, with its spans."""

from __future__ import annotations

from typing import List, Tuple

from index import DIMENSION, MODEL, Index, Item, embed
from llasta_schema import FaissEmbedQuery, FaissIndexSearch, FaissSearch


def search(index: Index, query: str, top_k: int) -> List[Tuple[Item, float]]:
    """The nearest items, best first."""
    with FaissSearch(top_k=top_k, index_size=len(index)) as span:
        span.query(query)
        with FaissEmbedQuery(model=MODEL, dimension=DIMENSION, text_length=len(query)):
            vector = embed(query)
        with FaissIndexSearch(
            index_size=len(index), top_k=top_k, index_type="Flat", device="cpu"
        ) as inner:
            found = index.nearest(vector, top_k)
            inner.finish(raw_results=len(found))
        scores = [score for _, score in found]
        if scores:
            span.score_min(min(scores)).score_max(max(scores)).score_avg(sum(scores) / len(scores))
        span.finish(results_count=len(found))
    return found
