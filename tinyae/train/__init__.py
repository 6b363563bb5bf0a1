"""train: one loop for every model."""
from .loop import fit
from .schedule import Phase, split_epochs

__all__ = ["Phase", "fit", "split_epochs"]
