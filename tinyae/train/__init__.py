"""train: one loop for every model."""
from .loop import fit
from .schedule import Phase, shared_out

__all__ = ["Phase", "fit", "shared_out"]
