"""One net, trained in three ways: as a whole, one layer at a time, and in phases on one graph.

784 pixels become 300 and then 150 numbers, and the same weights, transposed, lead back. In 2006 deep nets could not be
trained as a whole, so they were trained from below: first a layer on the images, then a layer on its codes. Today the
whole net is trained at once, and the picture of the three losses shows what difference this makes.

Training one layer at a time and training in phases compute the same thing in two ways. The first passes codes to the
upper layer as arrays. The second keeps everything on one graph and freezes the lower layer by leaving it out of the
list of parameters.

The textbook's weight decay, 1e-3 against the mean over pixels, is strong: it raises the error by more than the depth
lowers it, so that PCA with 20 numbers reconstructs MNIST better than this net with 150.

    python demos/stacked.py                                 drawn digits, needs no download, a few minutes
    python demos/stacked.py --data mnist
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinyae import Tensor, models, params, summary, train
from tinyae.backend import Array, Rng, to_host
from tinyae.demo import cli, experiments, images, plots
from tinyae.optim import Adam
from tinyae.train import evaluate

TEXTBOOK = 1e-3         # weight of |W|^2/2 against the mean over pixels; our errors are sums


def run() -> None:
    flags = cli.flags("stacked", __doc__, hidden=[300], latent=150)
    training, test = cli.images(flags)
    out = cli.folder(flags)

    shape = training.images.shape[1:]
    pixels = math.prod(shape)
    ways = ("whole", "one layer at a time", "phases on one graph")
    nets = {way: models.Stacked(pixels, flags.hidden, flags.latent, l2=TEXTBOOK * pixels, device=flags.device,
                                rng=np.random.default_rng(flags.seed)) for way in ways}
    print(summary(nets["whole"], (pixels,)))

    def phase(losses: Any, own: dict[str, Tensor], name: str) -> train.Phase:
        return train.Phase(losses, own, Adam(own, lr=flags.lr), name)

    def by_layers(way: str, on_one_graph: bool) -> list[train.Phase]:
        """One stage for each pair, trained on the codes of the pairs below."""
        net = nets[way]

        def losses(i: int) -> Any:
            def of_pair(x: Array, rng: Rng) -> dict[str, Tensor]:
                codes = net.below(i, x)
                return net.pairs[i].losses(codes if on_one_graph or i == 0 else codes.data)
            return of_pair

        mine = [{name: p for name, p in params(net).items() if name.startswith(f"pairs.{i}.")}
                for i in range(len(net.pairs))]
        return [phase(losses(i), own, f"{way}, layer {i + 1}") for i, own in enumerate(mine)]

    whole, apart, graph = nets.values()
    schedules = {ways[0]: [phase(whole.losses, params(whole), "whole")],
                 ways[1]: by_layers(ways[1], on_one_graph=False),
                 ways[2]: by_layers(ways[2], on_one_graph=True)}

    each = max(1, flags.epochs // len(graph.pairs))         # the layers share the epochs

    def fit(way: str, **settings: Any) -> list[dict[str, Any]]:
        print(f"\n{way}:")
        epochs = [flags.epochs] if way == "whole" else [each] * len(graph.pairs)
        return train.fit(schedules[way], (training, test), epochs=epochs, batch_size=flags.batch_size, seed=flags.seed,
                         **settings, unrolled=flags.unroll, captured=flags.captured)

    history = fit("whole", out=out, resume=flags.resume, config=vars(flags))
    errors = {"whole": [row["test_reconstruction"] for row in history]}
    lowest: dict[str, Any] = {}             # the first layer's weights at the end of its own stage
    for way in ways[1:]:
        def note(epoch: int, way: str = way) -> str:
            net = nets[way]
            if epoch == each:
                lowest[way] = net.pairs[0].encode.W.data
            error = evaluate.squared_error(lambda x: net.decode(net.encode(x)).data, test.images, flags.device)
            errors.setdefault(way, []).append(error)
            return f"whole net {error:.2f}"
        history = history + fit(way, on_epoch=note)

    shown = next(evaluate.batches(test.images[:10], flags.device))
    rows = [to_host(row) for row in (shown, *(net.reconstruct(shown) for net in nets.values()))]
    images.save_grid(out / "reconstructions.png", np.concatenate(rows), shape, columns=len(shown),
                     title="originals, then reconstructions by the nets trained " + ", ".join(ways))
    if plots.available():
        plots.lines({way: (range(1, len(y) + 1), y) for way, y in errors.items()}, out / "losses.png", xlabel="epoch",
                    title="reconstruction of test images by the whole net", ylabel="squared error per image")
    apart_from_graph = max(float(abs(p.data - q.data).max())
                           for p, q in zip(params(apart).values(), params(graph).values(), strict=True))
    moved = float(abs(graph.pairs[0].encode.W.data - lowest["phases on one graph"]).max())
    experiments.write(out, flags, history, {
        **{f"squared error, {way}": y[-1] for way, y in errors.items()},
        "largest difference of weights, layers / phases": apart_from_graph,
        "movement of the first layer while the second learns": moved,
        "parameters": sum(p.size for p in params(whole).values())})
    cli.show(out)


if __name__ == "__main__":
    cli.main(run)
