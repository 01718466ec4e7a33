"""A view: a page on which a person sees a whole latent set, each signal decoded in the browser."""

from medfuncta._src.tasks.view.folder import View, write_view
from medfuncta._src.tasks.view.notebook import view
from medfuncta._src.tasks.view.serving import serving

__all__ = ["View", "serving", "view", "write_view"]
