"""Every test of the command line has a folder of its own."""

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Files with default names land in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
