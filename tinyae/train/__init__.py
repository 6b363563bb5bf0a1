"""train: one training loop for every model; saves, resumes and explains."""
from .interrupt import Epoch, StopTraining
from .loop import fit
from .schedule import Phase, split_epochs

__all__ = ["Epoch", "Phase", "StopTraining", "fit", "split_epochs"]
