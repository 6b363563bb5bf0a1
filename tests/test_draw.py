"""draw and its layout: no overlap, the same picture each time, no graph without an ending that draw knows."""
from __future__ import annotations

import re
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import refused

from tinyae import Tensor, draw, models, ops, params
from tinyae.errors import BadValue
from tinyae.show.layout import GAP, crossings, layout


@given(st.lists(st.lists(st.integers(0, 30), max_size=3), min_size=1, max_size=14), st.integers(30, 120))
def test_boxes_of_a_row_keep_their_distance(drawn: list[list[int]], width: int):
    parents = [sorted({p % i for p in mine}) if i else [] for i, mine in enumerate(drawn)]
    widths = [float(width + i) for i in range(len(parents))]
    at = layout(parents, widths)
    assert at == layout(parents, widths)
    assert all(at.row[p] < at.row[i] for i, mine in enumerate(parents) for p in mine)
    assert set(at.routes) == {(p, i) for i, mine in enumerate(parents) for p in mine}
    for i in range(len(parents)):
        assert at.x[i] - widths[i] / 2 + 1e-6 >= 0 and at.x[i] + widths[i] / 2 <= at.width + 1e-6
        for k in range(i):
            if at.row[i] == at.row[k]:
                assert abs(at.x[i] - at.x[k]) >= (widths[i] + widths[k]) / 2 + GAP - 1e-6


def test_the_order_is_that_of_the_fewest_crossings():
    at = layout([[], [0], [1], [1], [0], [1, 2, 4]], [50.0] * 6)
    edges = [(at.row[p] + k, *ends) for (p, _), route in at.routes.items() for k, ends in enumerate(pairwise(route))]
    assert not [1 for (row, a, b), (other, c, d) in combinations(edges, 2) if row == other and (a - c) * (b - d) < 0]


@given(st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=6))
def test_boxes_stand_as_near_to_their_children_as_their_distance_allows(drawn: list[set[int]]):
    """Least squares: each run of boxes that touch stands, on average, where its boxes want to stand."""
    used = sorted(set().union(*drawn))
    parents: list[list[int]] = [[] for _ in used] + [[used.index(i) for i in sorted(mine)] for mine in drawn]
    at = layout(parents, [50.0] * len(parents))
    top = sorted((i for i in range(len(used)) if at.row[i] == 0), key=lambda i: at.x[i])
    runs: list[list[int]] = []
    for i in top:
        if runs and at.x[i] - at.x[runs[-1][-1]] < 50 + GAP + 1e-6:
            runs[-1].append(i)
        else:
            runs.append([i])
    for run in runs:
        wanted = [np.mean([route[1] for (p, _), route in at.routes.items() if p == i]) for i in run]
        assert sum(at.x[i] for i in run) == pytest.approx(sum(wanted), abs=1e-6)


@given(st.lists(st.lists(st.integers(0, 6), max_size=5), min_size=1, max_size=7), st.permutations(range(7)))
def test_crossings_are_counted_as_pairs_of_edges(below: list[list[int]], lower: list[int]):
    edges = [(i, lower.index(c)) for i, ends in enumerate(below) for c in ends]
    pairs = sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(edges, 2))
    assert crossings([list(range(len(below))), lower], below) == pairs


def test_a_leaf_stands_just_above_its_first_use():
    assert layout([[], [0], [1], [], [2, 3]], [50.0] * 5).row == [0, 1, 2, 2, 3]


def vae() -> tuple[Tensor, dict[str, Tensor]]:
    rng = np.random.default_rng(0)
    model = models.VAE(16, (8,), 2, rng=rng)
    terms = model.losses(rng.random((4, 16), np.float32), rng)
    return terms["reconstruction"] + terms["kl"], params(model)


@pytest.mark.parametrize("fold, boxes", [(None, 27), (True, 17)])
def test_the_picture_has_a_box_for_each_tensor(tmp_path: Path, fold: bool | None, boxes: int):
    y, named = vae()
    draw(y, tmp_path / "graph.svg", named, fold=fold)
    picture = (tmp_path / "graph.svg").read_text()
    ElementTree.fromstring(picture)
    assert len(re.findall('<g id="n', picture)) == boxes
    assert ("decoder.0" in picture) and ("decoder.0.W (" in picture) is not fold
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    assert picture.count('class="node leaf"') == picture.count('rx="3"') == (10 if boxes == 27 else 0)
    assert "--paper:#fff" in picture                    # a page has colours of its own


def test_a_page_is_small_and_asks_for_nothing(tmp_path: Path):
    y, named = vae()
    draw(y, tmp_path / "graph.html", named)
    page = (tmp_path / "graph.html").read_text()
    assert len(page) < 60_000 and "--paper:#fff" not in page and "default-src 'none'" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


def test_what_draw_refuses(tmp_path: Path):
    x = Tensor([1.0, 2.0])
    with refused(BadValue, ".svg", ".html"):
        draw(ops.sum(x), tmp_path / "graph.png")
    with refused(BadValue, "one element"):
        draw(x * 2, tmp_path / "graph.html")
    with refused(BadValue, "no path from y"):
        draw(ops.sum(x), tmp_path / "graph.html", wrt=[Tensor(1.0)])
    draw(x * 2, tmp_path / "graph.svg")


def test_a_name_is_text_in_a_picture_and_in_a_page(tmp_path: Path):
    x, name = Tensor([1.0]), '</script><b x="&">'
    draw(ops.sum(x), tmp_path / "graph.svg", {name: x})
    picture = ElementTree.parse(tmp_path / "graph.svg")
    assert name in [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    draw(x, tmp_path / "graph.html", {name: x})
    page = (tmp_path / "graph.html").read_text()
    assert page.count("</script>") == 1 and "<b" not in page.replace("<body>", "").replace("<button", "")


@pytest.mark.parametrize("ending", ["svg", "html"])
def test_a_parameter_alone_has_its_box_in_a_folded_graph_too(tmp_path: Path, ending: str):
    w = Tensor([1.0])
    draw(w, tmp_path / f"graph.{ending}", {"layer.W": w}, fold=True)
    assert "layer.W (1,): leaf" in (tmp_path / f"graph.{ending}").read_text()
