"""data: `load` reads images by name or path, and `batch` turns some of them into a model's input."""
from .dataset import Dataset, batch, to_device_if_it_fits
from .sources import SOURCES, load

__all__ = ["SOURCES", "Dataset", "batch", "load", "to_device_if_it_fits"]
