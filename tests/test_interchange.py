"""The same model in PyTorch: weights there and back, and the same loss curve. Optional: skipped without PyTorch."""
import re
from pathlib import Path

import numpy as np
import pytest

from tinyae import grad, params
from tinyae.models import VAE
from tinyae.optim import Adam

torch = pytest.importorskip("torch", reason="torch is not installed")


def test_the_script_of_the_page_runs():
    page = (Path(__file__).parents[1] / "docs" / "interchange.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", page, re.S)
    exec(compile(script, "docs/interchange.md", "exec"), {})


@pytest.mark.parametrize(("dtype", "steps", "tolerance"), [("float64", 200, 1e-10), ("float32", 20, 1e-4)])
def test_loss_curves_agree(dtype, steps, tolerance):
    """VAE 784-400-20, Adam 1e-3, batch 128: same weights, noise and batches, step by step.

    Later in float32, a rectifier that one rounding flips sends two correct programs apart.
    """
    ours = VAE(784, (400,), 20, rng=np.random.default_rng(0), dtype=dtype)
    theirs = {name: torch.tensor(p.numpy().copy(), requires_grad=True) for name, p in params(ours).items()}
    adam, twin = Adam(params(ours), lr=1e-3), torch.optim.Adam(theirs.values(), lr=1e-3)
    rng, worst = np.random.default_rng(1), 0.0
    for step in range(steps):
        # Blobs on black, so that the loss moves as it does on digits.
        images = (rng.random((128, 784)) * (rng.random((128, 784)) < 0.2)).astype(dtype)
        total = sum(ours.losses(images, np.random.default_rng(step)).values())
        adam.step(grad(total, params(ours)))

        x, noise = torch.tensor(images), torch.tensor(np.random.default_rng(step).standard_normal((128, 20), dtype))
        linear = lambda name, h: h @ theirs[f"{name}.W"] + theirs[f"{name}.b"]
        h = torch.relu(linear("body.0", x))
        mu, log_var = linear("mu", h), linear("log_var", h)
        logits = linear("decoder.1", torch.relu(linear("decoder.0", mu + torch.exp(log_var / 2) * noise)))
        bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        other = (bce + 0.5 * (log_var.exp() + mu ** 2 - 1 - log_var).sum()) / 128
        twin.zero_grad()
        other.backward()
        twin.step()
        worst = max(worst, abs(total.item() / other.item() - 1))
    assert worst < tolerance, f"relative difference {worst:.2g} within {steps} steps of {dtype}"
    print(f"worst relative difference {worst:.2g}")
