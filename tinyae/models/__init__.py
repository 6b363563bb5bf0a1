"""models: one autoencoder per file, without a base class.

Every model is built as Model(n_in, hidden, latent, ..., *, rng): the number of pixels, a tuple of widths, the size of
the code. In a convolutional model these are shape, which may be a number of pixels too, and channels. Every other
parameter has a default, which must work at latent=3: tests/test_models.py builds MODELS[name](12, (10,), 3, rng=rng)
for each name and checks what follows.

encode(x) -> the code. decode(z) -> the argument of the loss: logits, or pixels where the loss is the squared error.
losses(batch, rng) -> one-element Tensors by name; training minimises their sum. reconstruct(x) -> images in [0, 1].
A model that generates has sample(rng, n) -> n images too. Images are rows (n, n_in) of numbers in [0, 1].

MODELS is the registry. Its keys, the classes and the demos may have different names: "dropout_autoencoder",
DropoutAutoencoder and demos/dropout.py belong together.
"""
from ..layers import printed
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

printed(*MODELS.values(), Classifier)
