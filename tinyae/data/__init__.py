"""Images: `load` brings them in by name or path, `settle` to the GPU, `batch` gives a model what it takes."""
from tinyae.data.dataset import Dataset, batch, settle
from tinyae.data.sources import SOURCES, load

__all__ = ["SOURCES", "Dataset", "batch", "load", "settle"]
