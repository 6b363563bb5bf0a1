"""PyTorch with torch.compile around the loss; it needs a C++ compiler."""
from __future__ import annotations

from functools import partial

from . import torch

build = partial(torch.build, compiled=True)
