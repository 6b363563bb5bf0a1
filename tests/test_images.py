"""Grids, checked pixel by pixel; plots, checked by their content."""
from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from support import refused

from tinyae.demo import images, plots
from tinyae.errors import BadFile, BadValue
from tinyae.train import history


def pixels(path) -> np.ndarray:
    with Image.open(path) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        return np.asarray(picture)


def grey(*levels: float, h: int = 28, w: int = 28) -> np.ndarray:
    """One picture of each grey level."""
    return np.repeat(np.array(levels, np.float32), h * w).reshape(len(levels), h * w)


def centres(path, rows: int, columns: int, *, h: int, w: int, tops: list[int]) -> list[list[int]]:
    """The grey level in the middle of each picture of a grid."""
    page = pixels(path)
    first = page.shape[0] - images.MARGIN - (tops[-1] + h)
    return [[int(page[first + top + h // 2, images.MARGIN + column * (w + images.GAP) + w // 2, 0])
             for column in range(columns)] for top in tops[:rows]]


def test_a_grid_goes_row_by_row_and_enlarges_small_pictures(tmp_path):
    images.save_grid(tmp_path / "a.png", grey(0, 0.2, 0.4, 0.6, 1), (28, 28), columns=3)
    assert centres(tmp_path / "a.png", 2, 3, h=56, w=56, tops=[0, 58]) == [[0, 51, 102], [153, 255, images.PAPER]]
    assert pixels(tmp_path / "a.png").shape == (56 * 2 + 2 + 16, 56 * 3 + 4 + 16, 3)


def test_every_pixel_becomes_a_square(tmp_path):
    images.save_grid(tmp_path / "a.png", np.array([[0, 1, 1, 0]]), (2, 2))
    inside = pixels(tmp_path / "a.png")[8:-8, 8:-8, 0]
    assert np.array_equal(inside, np.kron([[0, 255], [255, 0]], np.ones((28, 28))))


def test_reconstructions_stand_close_below_their_originals(tmp_path):
    originals, reconstructions = grey(0, 0.2, 0.4, 0.6, 0.8), grey(1, 0.1, 0.3, 0.5, 0.7)
    images.save_reconstructions(tmp_path / "a.png", originals, reconstructions, (28, 28), columns=3)
    tops = [0, 58, 58 + 56 + images.PAIR_GAP, 58 + 56 + images.PAIR_GAP + 58]
    paper = images.PAPER
    assert centres(tmp_path / "a.png", 4, 3, h=56, w=56, tops=tops) == [
        [0, 51, 102], [255, 26, 77], [153, 204, paper], [128, 179, paper]]
    in_a_row = (pixels(tmp_path / "a.png")[:, images.MARGIN, 0] != paper)[-tops[-1] - 56 - images.MARGIN:]
    assert np.flatnonzero(np.diff(in_a_row.astype(int)) == 1).tolist() == [top - 1 for top in tops[1:]]


def test_colour_and_large_pictures_keep_their_pixels(tmp_path, rng):
    x = rng.integers(0, 256, (1, 64, 60, 3), dtype=np.uint8)
    images.save_grid(tmp_path / "a.png", x, (64, 60, 3))
    assert np.array_equal(pixels(tmp_path / "a.png")[8:-8, 8:-8], x[0])


def test_a_title_is_never_cut_off(tmp_path):
    images.save_grid(tmp_path / "a.png", grey(0), (28, 28), title="a title much longer than one picture is wide")
    page = pixels(tmp_path / "a.png")
    assert page.shape[1] > 150
    assert (page[:, -images.MARGIN:] == images.PAPER).all()         # the margin stays free
    assert (page[images.MARGIN:2 * images.MARGIN, :, 0] < 128).any()      # the title is there


def test_what_is_outside_the_range_is_clipped(tmp_path):
    images.save_grid(tmp_path / "a.png", np.concatenate([grey(-3, 7), grey(np.nan)]), (28, 28), columns=3)
    assert centres(tmp_path / "a.png", 1, 3, h=56, w=56, tops=[0]) == [[0, 255, 0]]


@pytest.mark.parametrize("x", [np.zeros((2, 783)), np.zeros((0, 784)), np.zeros(784)])
def test_pictures_of_another_shape_are_refused(tmp_path, x):
    with refused(BadValue, "images must fit their shape", "(n, 784)"):
        images.save_grid(tmp_path / "a.png", x, (28, 28))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_none_is_refused(tmp_path):
    with refused(BadFile, "cannot write"):
        images.save_grid(tmp_path / "missing" / "a.png", grey(0), (28, 28))


def test_the_plane_of_two_latents_is_decoded_as_a_map_is_read(tmp_path):
    """Latent 1 grows to the right, latent 2 upwards."""
    images.save_manifold(tmp_path / "a.png", lambda z: np.repeat(z[:, :1] > z[:, 1:], 784, axis=1), (28, 28), side=3)
    assert centres(tmp_path / "a.png", 3, 3, h=56, w=56, tops=[0, 58, 116]) == [
        [0, 0, 0], [0, 0, 255], [0, 255, 255]]


ROWS = [history.row(epoch, 10 * epoch, "", 1.0, train={"reconstruction": 90.0 - epoch, "kl": 20.0},
                    test={"reconstruction": 92.0 - epoch, "kl": 21.0}) for epoch in (1, 2, 3)]


@pytest.fixture
def figure(monkeypatch) -> list[Figure]:
    """The figures that are saved."""
    saved: list[Figure] = []
    save = plots._save
    monkeypatch.setattr(plots, "_save", lambda figure, path: saved.append(figure) or save(figure, path))
    return saved


def test_learning_curves_have_units_and_both_sides(tmp_path, figure):
    plots.learning_curves(ROWS, tmp_path / "a.png")
    axes = figure[0].axes
    assert [axis.get_title() for axis in axes] == ["reconstruction", "kl", "total"]
    for axis in axes:
        assert (axis.get_xlabel(), axis.get_ylabel()) == ("epoch", "nats per image")
        assert [text.get_text() for text in axis.get_legend().get_texts()] == ["train", "test"]
    assert axes[2].lines[1].get_ydata().tolist() == [112.0, 111.0, 110.0]
    assert pixels_of_plot(tmp_path / "a.png")


def test_a_file_says_its_title(tmp_path):
    images.save_grid(tmp_path / "grid.png", grey(0.5), (28, 28), title="upper · lower")
    images.save_grid(tmp_path / "bare.png", grey(0.5), (28, 28))
    plots.learning_curves(ROWS, tmp_path / "plot.png")
    titles = {}
    for name in ("grid", "bare", "plot"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            titles[name] = picture.info["Title"]
    assert titles == {"grid": "upper · lower", "bare": "", "plot": "reconstruction · kl · total"}


def test_a_title_may_hold_the_name_of_a_folder(tmp_path):
    """Python reads a byte that is no UTF-8 as a lone surrogate, which no PNG can hold."""
    images.save_grid(tmp_path / "grid.png", grey(0.5), (28, 28), title="class z\udcff\x1b")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.info["Title"] == "class z\\udcff\\x1b"


def test_one_term_is_one_panel_and_phases_have_their_own(tmp_path, figure):
    alone = [history.row(1, 10, "", 1.0, train={"reconstruction": 1.0}, test={"reconstruction": 2.0})]
    plots.learning_curves(alone, tmp_path / "a.png")
    assert [axis.get_title() for axis in figure[0].axes] == ["reconstruction"]
    turns = [history.row(1, 10, name, 1.0, train={"loss": 1.0}, test={"loss": 2.0}) for name in ("code", "critic")]
    plots.learning_curves(turns, tmp_path / "b.png")
    assert [axis.get_title() for axis in figure[1].axes] == ["code loss", "critic loss"]


def test_the_latent_map_has_a_colour_and_a_name_for_each_class(tmp_path, figure, rng):
    labels = np.arange(60) % 12
    plots.latent_map(rng.standard_normal((60, 2)), labels, tmp_path / "a.png")
    axis = figure[0].axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("latent 1", "latent 2")
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [str(i) for i in range(12)]
    assert len({tuple(points.get_facecolor()[0]) for points in axis.collections}) == 12
    plots.latent_map(rng.standard_normal((60, 2)), None, tmp_path / "b.png")
    assert figure[1].axes[0].get_legend() is None
    assert pixels_of_plot(tmp_path / "a.png") and pixels_of_plot(tmp_path / "b.png")


def test_maps_of_many_classes_have_a_scale_and_stand_side_by_side(tmp_path, figure, rng):
    codes = rng.standard_normal((60, 2))
    plots.latent_maps({"one": codes, "other": -codes}, np.arange(60) % 28, tmp_path / "a.png")
    one, other, scale = figure[0].axes
    assert [axis.get_title() for axis in (one, other)] == ["one", "other"] and scale.get_ylabel() == "class"
    np.testing.assert_allclose(one.collections[0].get_offsets(), -other.collections[0].get_offsets())
    assert one.get_legend() is other.get_legend() is None and pixels_of_plot(tmp_path / "a.png")


def test_lines_with_and_without_bars(tmp_path, figure):
    plots.lines({"a": ([1, 10], [2.0, 3.0]), "b": ([1, 10], [2.0, 3.0], [0.5, 0.25])}, tmp_path / "a.png", title="t",
                xlabel="x", ylabel="y", log=True)
    (axis,) = figure[0].axes
    assert axis.get_xscale() == "log" and [text.get_text() for text in axis.get_legend().get_texts()] == ["a", "b"]
    bars = [segment[:, 1] for segment in axis.containers[1].lines[2][0].get_segments()]
    np.testing.assert_allclose(bars, [[1.5, 2.5], [2.75, 3.25]])
    assert axis.containers[0].lines[0].get_linestyle() != axis.containers[1].lines[0].get_linestyle()
    assert pixels_of_plot(tmp_path / "a.png")


def pixels_of_plot(path) -> bool:
    """The plot is a PNG and leaves its edge white: nothing is cut off."""
    with Image.open(path) as picture:
        edge = np.asarray(picture.convert("L"))
    return all((side == 255).all() for side in (edge[0], edge[-1], edge[:, 0], edge[:, -1]))


def test_history_goes_to_csv_and_back(tmp_path):
    (tmp_path / "history.csv").write_text(history.to_csv(ROWS))
    assert history.read_csv(tmp_path / "history.csv") == ROWS
    assert history.to_csv([]).strip() == "seconds"
    assert history.lines(ROWS[:1], 10, ["note"]) == [
        "epoch  1/10 · train reconstruction 89.00 + kl 20.00 = 109.00\n"
        "            · test 91.00 + 21.00 = 112.00 · 1.0 s · note"]


def test_signed_weights_keep_their_zero_in_the_middle():
    shown = images.signed(np.array([[-2.0, 0, 1], [0, 0, 0], [0.1, 0, -0.05]]))
    np.testing.assert_allclose(shown, [[0, 0.5, 0.75], [0.5, 0.5, 0.5], [1, 0.5, 0.25]])


def test_the_histogram_counts_every_value_and_marks_one(tmp_path, figure):
    plots.histogram([0.1, 0.1, 0.9], tmp_path / "a.png", title="t", xlabel="x", ylabel="y", mark=0.25)
    axis = figure[0].axes[0]
    assert sum(bar.get_height() for bar in axis.patches) == 3 and axis.get_title() == "t"
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["0.25"]


def test_bars_stand_in_the_order_of_their_values(tmp_path, figure):
    plots.bars([2.0, 0.5, 1.0], tmp_path / "a.png", title="t", xlabel="x", ylabel="y")
    axis = figure[0].axes[0]
    assert [bar.get_height() for bar in axis.patches] == [2, 0.5, 1]
    assert (axis.get_title(), axis.get_xlabel(), axis.get_ylabel()) == ("t", "x", "y")


@pytest.mark.parametrize("shape, factor", [((1, 2000), 1), ((2000, 1), 1), ((1, 1), 56), ((8, 28), 2), ((28, 28), 2)])
def test_pictures_are_enlarged_until_their_longer_side_is_large(shape, factor):
    assert images._pixels(np.zeros((2, *shape)), shape).shape[1:3] == tuple(factor * side for side in shape)


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nope", "module://no.such", "TkAgg"])
def test_plots_are_drawn_whatever_backend_the_environment_names(backend, tmp_path):
    """As `!python` in a notebook of another environment has it; there is no screen here."""
    code = ("from tinyae.demo import plots; assert plots.available(); "
            "plots.histogram([0.1, 0.9], 'a.png', title='t', xlabel='x', ylabel='y', mark=0.5)")
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
                           env=os.environ | {"MPLBACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert (tmp_path / "a.png").stat().st_size > 1000
