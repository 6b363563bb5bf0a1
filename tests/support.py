"""What the tests of the engine say again and again."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tinyae import Tensor
from tinyae.backend import device_of
from tinyae.errors import Refusal


@contextmanager
def refused(kind: type[Refusal], *words: str) -> Iterator[None]:
    """A refusal of exactly that kind, in its three parts, that says each of the words."""
    with pytest.raises(kind) as caught:
        yield
    text = str(caught.value)
    assert type(caught.value) is kind
    for word in ("expected: ", "got: ", "fix: ", *words):
        assert word in text, f"{word!r} is not in: {text}"


def assert_like(x: Any, t: Tensor) -> None:
    """x is an array of the shape, dtype and device of t."""
    assert type(x) is type(t.data)
    assert (x.shape, x.dtype, device_of(x)) == (t.shape, t.dtype, device_of(t.data))
