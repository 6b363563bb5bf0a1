"""show · layout: where the nodes of a graph stand: in rows, with few crossings and short edges.

Sugiyama, Tagawa & Toda 1981: rows by the longest path, an invisible node wherever an edge passes a row, the order in a
row by the mean place of the neighbours, and last the places themselves. The same graph always gets the same picture.
"""
from __future__ import annotations

from bisect import bisect, insort
from itertools import pairwise
from typing import NamedTuple

SWEEPS, GAP = 12, 22.0          # passes up and down; free space between nodes


class Layout(NamedTuple):
    x: list[float]                              # centre of each node, from 0
    row: list[int]                              # 0 is at the top
    routes: dict[tuple[int, int], list[float]]  # (parent, child) -> the edge's x in each row from one to the other
    width: float


def layout(parents: list[list[int]], widths: list[float]) -> Layout:
    """parents[i]: the nodes that i was made of, all < i; widths[i]: of its box -> places without overlap."""
    n = len(parents)
    row = [0] * n
    for i in range(n):
        row[i] = max((row[p] + 1 for p in parents[i]), default=0)
    uses: list[list[int]] = [[] for _ in range(n)]                  # the rows of the nodes made of i
    for i, mine in enumerate(parents):
        for p in mine:
            uses[p].append(row[i])
    for i in range(n):                                              # a leaf stands just above its first use
        row[i] = min(uses[i]) - 1 if uses[i] and not parents[i] else row[i]
    wide, chains = list(widths), {}
    above: list[list[int]] = [[] for _ in range(n)]
    below: list[list[int]] = [[] for _ in range(n)]
    rows: list[list[int]] = [[i for i in range(n) if row[i] == r] for r in range(max(row) + 1)]
    for c in range(n):
        for p in dict.fromkeys(parents[c]):
            chain = [p]
            for r in range(row[p] + 1, row[c]):                     # an invisible node in each row between
                rows[r].append(len(wide))
                chain.append(len(wide))
                wide.append(4.0)
                above.append([])
                below.append([])
            chains[p, c] = chain = [*chain, c]
            for one, other in pairwise(chain):
                below[one].append(other)
                above[other].append(one)
    best = min((ordered(rows, above if down else below, below, down) for down in [True, False] * SWEEPS),
               key=lambda found: found[0])[1]
    x = placed(best, above, below, wide)
    left = min(x[i] - wide[i] / 2 for i in x)
    return Layout([x[i] - left for i in range(n)], row, {edge: [x[i] - left for i in chain]
                  for edge, chain in chains.items()}, max(x[i] + wide[i] / 2 for i in x) - left)


def ordered(rows: list[list[int]], near: list[list[int]], below: list[list[int]],
            down: bool) -> tuple[int, list[list[int]]]:
    """One sweep, which sorts each row by its neighbours in the row before: (crossings, a copy of the rows)."""
    for r in range(1, len(rows)) if down else reversed(range(len(rows) - 1)):
        place = {v: i for i, v in enumerate(rows[r - 1 if down else r + 1])}
        own = {v: float(i) for i, v in enumerate(rows[r])}
        rows[r].sort(key=lambda v: sum(place[u] for u in near[v]) / len(near[v]) if near[v] else own[v])
    return crossings(rows, below), [list(r) for r in rows]


def crossings(rows: list[list[int]], below: list[list[int]]) -> int:
    """Pairs of edges between neighbouring rows that cross."""
    found = 0
    for upper, lower in pairwise(rows):
        place = {v: i for i, v in enumerate(lower)}
        seen: list[int] = []                                        # where the edges so far end, sorted
        for v in upper:
            ends = [place[c] for c in below[v]]
            found += sum(len(seen) - bisect(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return found


def placed(rows: list[list[int]], above: list[list[int]], below: list[list[int]],
           wide: list[float]) -> dict[int, float]:
    """x of every node: as near to its neighbours' mean as order and gaps allow (least squares, pooling blocks)."""
    x: dict[int, float] = {v: 0.0 for r in rows for v in r}
    for _ in range(30):
        for r in [*rows, *reversed(rows)]:
            offset, blocks = 0.0, []
            offsets = []
            for k, v in enumerate(r):
                offset += (wide[r[k - 1]] + wide[v]) / 2 + GAP if k else 0.0
                offsets.append(offset)
                near = above[v] + below[v]
                blocks.append([(sum(x[u] for u in near) / len(near) if near else x[v]) - offset, 1])
                while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
                    (a, m), (b, k2) = blocks[-2], blocks.pop()
                    blocks[-1] = [(a * m + b * k2) / (m + k2), m + k2]
            starts = [start for start, many in blocks for _ in range(int(many))]
            x |= {v: start + o for v, start, o in zip(r, starts, offsets, strict=True)}
    return x
