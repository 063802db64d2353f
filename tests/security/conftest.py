"""The loopback judges of tests/judge, for whoever attacks a study that they judge."""

from tests.judge.conftest import batcher, endpoint, priced, server

__all__ = ["batcher", "endpoint", "priced", "server"]
