"""Forwards of rows as a user may write them, for tests of saved programs."""
from __future__ import annotations

import math
from math import pi as PI
from math import sqrt

import numpy as np

from tinyae.kernels import fuse

A = 2.0
B = A * 3
C: float = 4.0
D, E = 5.0, [6.0]
E[0] = 7.0


def by_value(x):
    return x * B


def helper(x, k=B):
    return x * k


def doubled(x):
    return x * max(2.0, 1.0)


def with_helper(x):
    return helper(x) + math.exp(1) * sqrt(2) * PI


def constants(x):
    return x * C + D * E[0]


def checks(x):
    if x.ndim > 9:
        raise ValueError
    elif x.ndim > 0:
        x = x * 3
    else:
        x = x * 4
    return x


def handles(x):
    try:
        z = x * {}["a"]
    except KeyError:
        z = x * 7
    return z


def annotated(x):
    k: int = 3
    y: float
    y = k * 2
    return x * y


def nested(x):
    def inner(B):
        return B * A
    return inner(x) + (lambda y: y * C)(x)


def times(k):
    def forward(x):
        return x * k
    return forward


def twice(f):
    def g(x):
        return f(x) * 2
    return g


@twice
def decorated(x):
    return x + 1


def two_closures(x):
    return double(x) + triple(x)


double, triple = times(2.0), times(3.0)


@fuse
def fused(x):
    return np.exp(x) * B


FORWARDS = {f.__name__: f for f in (by_value, with_helper, constants, checks, handles, annotated, nested, decorated,
                                    two_closures, fused)}
