"""Put an exhibit's mistake into the library, and see which test notices."""
from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

from tinyae.errors import Refusal

from .catalogue import Exhibit

# How a test can fail on a mistake. Anything else is a broken exhibit, and not caught here.
FAILURES = (AssertionError, pytest.fail.Exception, RecursionError, Refusal)


def catching_test(exhibit: Exhibit) -> str | None:
    """The first of its tests that fails with the mistake in the library, having passed without; None if none does."""
    for test in exhibit.tests.values():
        with warnings.catch_warnings():
            warnings.simplefilter("error")              # as in the suite
            test()
    with pytest.MonkeyPatch.context() as put:
        exhibit.install(put)
        return next((name for name, test in exhibit.tests.items() if _fails(test)), None)


def _fails(test: Callable) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            test()
    except FAILURES:
        return True
    return False
