"""optim: from gradients to the next parameters."""
from .rules import SGD, Adam

__all__ = ["SGD", "Adam"]
