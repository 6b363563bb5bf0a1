"""PyTorch with torch.compile around the loss; it needs a C++ compiler."""
from __future__ import annotations

from functools import partial

from .torch import IMPORT, SKIP, build  # noqa: F401

build = partial(build, compiled=True)
