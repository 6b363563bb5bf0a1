"""train: one training loop for every model; saves, resumes and explains."""
from .interrupt import StopTraining
from .loop import fit
from .schedule import Phase, split_epochs

__all__ = ["Phase", "StopTraining", "fit", "split_epochs"]
