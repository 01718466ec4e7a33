"""Search: the signals nearest to a signal, by their latents."""

from medfuncta.tasks.search.faiss_index import FaissIndex
from medfuncta.tasks.search.hits import Hit, search_set
from medfuncta.tasks.search.neighbours import Metric, nearest
from medfuncta.tasks.search.picture import search_picture

__all__ = ["FaissIndex", "Hit", "Metric", "nearest", "search_picture", "search_set"]
