"""Images: `load` brings them in by name or path, `batch` gives a model what it takes."""
from tinyae.data.dataset import Dataset, batch
from tinyae.data.sources import SOURCES, load

__all__ = ["SOURCES", "Dataset", "batch", "load"]
