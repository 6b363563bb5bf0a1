"""9 of 9 · models: one autoencoder per file, no base class.

Every model offers encode(x) -> the code, decode(z) -> what its loss takes (logits; pixels where that is the squared
error), losses(batch, rng) -> one-element Tensors by name, whose sum is minimised, and reconstruct(x); where it
generates, sample(rng, n). MODELS is the registry.
"""
from .adversarial import Adversarial
from .autoencoder import Autoencoder
from .contractive import Contractive
from .denoising import Denoising
from .dropout import DropoutAutoencoder
from .linear import LinearAutoencoder
from .sparse import Sparse
from .stacked import Stacked
from .vae import VAE

MODELS = {
    "autoencoder": Autoencoder,
    "linear": LinearAutoencoder,
    "stacked": Stacked,
    "denoising": Denoising,
    "dropout_autoencoder": DropoutAutoencoder,
    "vae": VAE,
    "sparse": Sparse,
    "contractive": Contractive,
    "adversarial": Adversarial,
}

__all__ = ["MODELS", "VAE", "Adversarial", "Autoencoder", "Contractive", "Denoising", "DropoutAutoencoder",
           "LinearAutoencoder", "Sparse", "Stacked"]
