"""Time that passes when told to."""

import pytest

from agentarmy_ops_tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()
