"""9 of 9 · models: one autoencoder per file, no base class.

Every model offers encode(x) -> the code, decode(z) -> what its loss takes (logits; pixels where that is the squared
error), losses(batch, rng) -> one-element Tensors by name, whose sum is minimised, and reconstruct(x); where it
generates, sample(rng, n). MODELS is the registry.
"""
from .adversarial import Adversarial
from .autoencoder import Autoencoder
from .classifier import Classifier
from .contractive import Contractive
from .conv_autoencoder import ConvAutoencoder
from .conv_denoising import ConvDenoising
from .conv_stacked import ConvStacked
from .conv_vae import ConvVAE
from .conv_winner_take_all import ConvWinnerTakeAll
from .denoising import Denoising
from .dropout import DropoutAutoencoder
from .gsn import GSN
from .linear import LinearAutoencoder
from .sparse import Sparse
from .stacked import Stacked
from .vae import VAE
from .winner_take_all import WinnerTakeAll

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
    "conv_autoencoder": ConvAutoencoder,
    "conv_stacked": ConvStacked,
    "conv_denoising": ConvDenoising,
    "conv_vae": ConvVAE,
    "conv_winner_take_all": ConvWinnerTakeAll,
    "winner_take_all": WinnerTakeAll,
    "gsn": GSN,
}

__all__ = ["GSN", "MODELS", "VAE", "Adversarial", "Autoencoder", "Classifier", "Contractive", "ConvAutoencoder",
           "ConvDenoising", "ConvStacked", "ConvVAE", "ConvWinnerTakeAll", "Denoising", "DropoutAutoencoder",
           "LinearAutoencoder", "Sparse", "Stacked", "WinnerTakeAll"]
