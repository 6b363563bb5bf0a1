"""data: `load` reads images by name or path, and `batch` turns some of them into a model's input."""
from .dataset import Dataset, batch, fingerprint, to_device_if_it_fits, with_classes
from .given import from_arrays
from .sources import FINGERPRINTS, SOURCES, load

__all__ = ["FINGERPRINTS", "SOURCES", "Dataset", "batch", "fingerprint", "from_arrays", "load", "to_device_if_it_fits",
           "with_classes"]
