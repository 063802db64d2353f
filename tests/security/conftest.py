"""The loopback judges of tests/judge, for whoever attacks a study that they judge; the archives of tests/archive."""

from tests.archive.conftest import made, reproduce, whole
from tests.judge.conftest import batcher, endpoint, priced, server

__all__ = ["batcher", "endpoint", "made", "priced", "reproduce", "server", "whole"]
