"""train · held_out: the losses on the test images."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..backend import Array, Value, generator
from ..tensor import Tensor
from . import diagnose
from .loader import EVALUATION, Loader
from .metrics import LossSums, losses_of
from .schedule import Phase
from .state import RunState


def evaluate(state: RunState, loader: Loader) -> tuple[LossSums, dict[str, Array]]:
    """(the losses on the test images, the largest value of each relu unit there)."""
    tested = LossSums({})
    peaks: dict[str, Array] = {}
    for phase, images, terms, total in test_losses(state, loader):
        tested.record(phase, images, terms)
        for layer, peak in diagnose.relu_peaks(total, state.params).items():
            peaks[layer] = np.maximum(peak, peaks[layer]) if layer in peaks else peak
    tested.read()
    return tested, {layer: state.ranks.allreduce(peak, "MAX") for layer, peak in peaks.items()}


def test_losses(state: RunState, loader: Loader) -> Iterator[tuple[Phase, int, dict[str, Value], Tensor]]:
    """The stage's losses on the test images, batch by batch, with the same noise in every epoch."""
    rng = generator([state.seed, EVALUATION], state.device)
    for index in loader.test_order():
        share = state.ranks.share(len(index))
        batch = loader.batch(loader.test, index[share.rows])
        for phase in state.stage:
            terms, total = losses_of(phase, batch, share.noise(rng))
            yield phase, len(index), state.ranks.mean({}, terms, share)[1], total
