"""Every test of the command line has a folder of its own."""

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Files with default names are written to the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
