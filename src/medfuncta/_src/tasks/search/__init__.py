"""Search: the signals nearest to a signal, by their latents."""

from medfuncta._src.tasks.search.faiss_index import FaissIndex
from medfuncta._src.tasks.search.hits import Hit, Query, Search, search_picture, search_set
from medfuncta._src.tasks.search.neighbours import Metric, nearest

__all__ = [
    "FaissIndex",
    "Hit",
    "Metric",
    "Query",
    "Search",
    "nearest",
    "search_picture",
    "search_set",
]
