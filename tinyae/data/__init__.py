"""data: `load` brings images in by name or path, `batch` gives a model what it takes."""
from .dataset import Dataset, batch, to_device_if_it_fits
from .sources import SOURCES, load

__all__ = ["SOURCES", "Dataset", "batch", "load", "to_device_if_it_fits"]
