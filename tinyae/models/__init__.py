"""9 of 9 · models: one autoencoder per file, no base class.

Every model offers encode(x) -> the code, decode(z) -> what its loss takes (logits), losses(batch, rng) -> one-element
Tensors by name, whose sum is minimised, and reconstruct(x); where it generates, sample(rng, n). MODELS is the registry.
"""
from .autoencoder import Autoencoder
from .sparse import Sparse
from .vae import VAE

MODELS = {
    "autoencoder": Autoencoder,
    "vae": VAE,
    "sparse": Sparse,
}

__all__ = ["MODELS", "VAE", "Autoencoder", "Sparse"]
