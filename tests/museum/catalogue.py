"""The catalogue: which exhibits there are, room by room, and what is read out of an exhibit's file."""
from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent / "exhibits"

ROOMS: dict[str, list[str]] = {
    "The engine": [
        "no_topological_sort", "recursion", "second_backward", "shared_gradients", "written_cotangent",
        "written_after_use", "mean_without_gradient", "float64_weights", "hash_order",
    ],
    "Losses and layers": [
        "broadcast_loss", "clipped_probabilities", "sigmoid_overflow", "swapped_arguments", "noisy_target",
        "untied_weights", "dropout_scale", "dropout_in_evaluation", "pixel_too_small",
    ],
    "The variational autoencoder": [
        "std_is_variance", "tenth_of_the_noise", "averaged_kl", "general_kl", "pixel_kl", "averaged_pixels",
        "relu_heads",
    ],
    "The other autoencoders": [
        "each_activation", "dead_unit", "half_a_divergence", "floor_division", "summed_weights",
        "judge_trains_encoder",
    ],
    "Optimizers": [
        "negative_rate", "uncorrected_adam", "epsilon_hat",
    ],
    "Gradient checks": [
        "ones_cotangent", "absolute_tolerance", "float32_differences",
    ],
}

# Mistakes that no exhibit shows yet: what was wrong, and where it can be seen.
WAITING: dict[str, dict[str, list[str]]] = {
    "the adversarial autoencoder": {
        "a discriminator that stays at 50 %": ["https://github.com/eriklindernoren/Keras-GAN/issues/35"],
        "a discriminator of images, where that of codes is meant": [
            "https://github.com/neale/Adversarial-Autoencoder/issues/3"],
    },
}


class Exhibit:
    """One file of exhibits/, read."""

    def __init__(self, name: str):
        self.name = name
        self.module: ModuleType = importlib.import_module(f"{__package__}.exhibits.test_{name}")
        self.title, self.story = (part.strip() for part in (self.module.__doc__ or "").split("\n\n", 1))
        self.sources: dict[str, str] = self.module.SOURCES
        self.install: Callable = self.module.install
        self.outcome: Callable[[], str] = self.module.outcome

    @property
    def path(self) -> Path:
        return FOLDER / f"test_{self.name}.py"

    def lines(self, which: str) -> str:
        """The source of `wrong` or `right`."""
        return inspect.getsource(getattr(self.module, which)).strip()

    @property
    def tests(self) -> dict[str, Callable]:
        return {name: f for name, f in vars(self.module).items() if name.startswith("test_")}


def exhibits() -> list[Exhibit]:
    """All of them, in the order of the rooms."""
    return [Exhibit(name) for names in ROOMS.values() for name in names]
