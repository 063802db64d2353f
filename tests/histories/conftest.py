"""Where histories happen: one folder for all of them, with the studies that they are about, opened once."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest

from tests.histories import doors, studies
from tests.histories.world import World


@pytest.fixture(scope="session")
def begin() -> Iterator[Callable[..., AbstractContextManager[World]]]:
    """Begins a history: `with begin("one") as world`."""
    root = doors.folder()
    yield partial(doors.history, root, studies.opened(root))
    shutil.rmtree(root)
