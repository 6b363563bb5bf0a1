"""```{gallery} wall``` shows the demos' pictures; ```{gallery} cards``` each demo with its docstring, its
commands, its picture and the figures of its first full run.

    for demo in demos/*.py; do python $demo --out RUNS/$(basename $demo .py); done
    python docs/_ext/gallery.py RUNS            # makes docs/demos from the pictures of these runs
"""
import ast
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from PIL import Image
from prose import markdown
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
# demo -> the file in its run's folder, and what it shows. That of the VAE is one of the README's.
PICTURES = {
    "first": ("first.png", "test digits in the upper rows, their reconstructions from 20 numbers below"),
    "schedule": ("schedule.png", "test digits in the upper rows, their reconstructions below"),
    "autoencoder": ("compared.png", "ten digits, and below them the reconstructions of PCA and of a linear net, "
                    "which are blurred, and of a deep one, which are sharp"),
    "linear": ("components.png", "ten principal components of the digits, and below them the decoder's: the same"),
    "anomaly": ("unusual.png", "the test images with the largest errors, most of them nines, which were left out "
                "of the training, and below them their reconstructions, which look like other digits"),
    "denoising": ("gaussian.png", "clean digits; then digits under more and more noise, and the denoised ones below"),
    "dropout": ("reconstructions.png", "new digits, and their reconstructions without and with dropout"),
    "sparse": ("units.png", "a hundred units of the code, each a stroke or a part of a digit"),
    "contractive": ("units-contractive.png", "the weights of a hundred units: small spots and edges at one place each"),
    "winner_take_all": ("units-010.png", "a hundred units of the code: strokes, and a few that are noise"),
    "vae": ("", "a hundred digits decoded from random codes"),
    "collapse": ("latents.png", "the KL of each latent: all 0 without a warm-up of beta; with it, one of 2 nats"),
    "conditional": ("asked-010.png", "the digits 0 to 9 in eight handwritings, one in each row"),
    "interpolate": ("between.png", "phases of the moon between two others: decoded from codes between theirs, and "
                    "below as a mixture of pixels, which is no phase"),
    "adversarial": ("samples-010.png", "a hundred digits decoded from random codes"),
    "gsn": ("walk-010.png", "a random walk, row by row: zeros and sixes, then threes, nines and zeros again"),
    "stacked": ("reconstructions.png", "ten digits, and below them the reconstructions of three nets, equally blurred"),
    "pretraining": ("labels.png", "test accuracy against the number of labels: with pretraining two to three points "
                    "more from 100 to 1000 labels, and one more with 10 000"),
    "conv_autoencoder": ("reconstructions-005.png", "test digits in the upper rows, sharp reconstructions below"),
    "conv_denoising": ("denoised-005.png", "clean digits, the same with noise, and denoised: first by convolutions, "
                       "then by a dense net"),
    "conv_winner_take_all": ("strokes-003.png", "sixty-four strokes, one of each map of the code"),
    "conv_vae": ("manifold-010.png", "the plane of the code: ones and nines on the left, sixes and zeros on the right"),
    "conv_stacked": ("layers-006.png", "ten digits, and their reconstructions through one, two and three layers, and "
                     "by a net trained as a whole"),
    "sprites": ("reconstructions-006.png", "coloured creatures in the upper rows, their softer reconstructions below"),
    "features": ("units.png", "for each of ten units the pattern that excites it most, and nine such images"),
    "gradient_check": ("gradient_check.png", "errors of differences against the step: Vs with an arm of truncation and "
                       "one of rounding, and the complex step, whose error only falls"),
}


class Gallery(SphinxDirective):
    """The demos in the order of the README's table."""
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        order = re.findall(r"\(demos/(\w+)\.py\) \|", (ROOT / "README.md").read_text(encoding="utf-8"))
        results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
        for demo in order:
            self.env.note_dependency(str(ROOT / "demos" / f"{demo}.py"))
        if self.arguments[0] == "cards":
            cards = "\n\n".join(card(demo, results) for demo in order)
            return self.parse_text_to_nodes(cards, allow_section_headings=True)
        wall = "\n\n".join(f"[{picture(demo)} {demo}](#demo-{demo.replace('_', '-')})" for demo in order
                           if demo in PICTURES)
        return [nodes.container("", *self.parse_text_to_nodes(wall), classes=["thumbs"])]


def card(demo: str, results: str) -> str:
    """Markdown: name, story, picture, commands, figures, source."""
    doc = ast.get_docstring(ast.parse((ROOT / "demos" / f"{demo}.py").read_text(encoding="utf-8")))
    first, _, rest = doc.partition("\n\n")
    shot = f"{picture(demo)}\n\n" if demo in PICTURES else ""
    return (f"(demo-{demo.replace('_', '-')})=\n## {demo}\n\n**{markdown(first).strip()}**\n\n{shot}{markdown(rest)}"
            + "\n\n" + figures(demo, results) + f"[The program](source:demos/{demo}.py)\n")


def picture(demo: str) -> str:
    file = "samples" if demo == "vae" else f"demos/{demo}"
    return f"![{PICTURES[demo][1]}]({file}.png)"


def figures(demo: str, results: str) -> str:
    """The first section of docs/results.md for the demo, with a link to the page for the others."""
    sections = re.findall(rf"^## ({demo}(?: [^\n]*)?)\n(.*?)(?=^## )", results, re.S | re.M)
    if not sections:
        return ""
    (flags, table), others = sections[0], len(sections) - 1
    more = f" [Figures of {others} more run{'s'[:others - 1]}](/results.md)." if others else ""
    return f"The figures of `python demos/{flags.replace(demo, f'{demo}.py', 1)}`:\n{table}\n{more}\n\n"


def shrink(runs: Path) -> None:
    """docs/demos/DEMO.png from RUNS/DEMO/FILE: 24 colours, at most 640 pixels wide."""
    for demo, (file, _) in PICTURES.items():
        if not file:
            continue
        with Image.open(runs / demo / file) as picture:
            small = picture.convert("RGB")
        small.thumbnail((640, 640))
        small.quantize(24, dither=Image.Dither.NONE).save(ROOT / "docs" / "demos" / f"{demo}.png", optimize=True)


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("gallery", Gallery)
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    shrink(Path(sys.argv[1]))
