"""Which data sets a test needs, and what happens without them."""

import os

import pytest

from bpfree.datasets import DATASETS
from bpfree.datasets.fetch import File, Source

PINN = Source(
    "pinn",
    (
        File("burgers_shock.mat", 207944, "f4d11e6798b8d29b6829984952b04adcc470d9bf70dd7e56c7985cd8e316c4bf", ()),
        File("AC.mat", 559196, "266e97eedd9ef543d7f6d370fa5f06388761aa7da2b97e476562dcf1d644a175", ()),
    ),
)
"""Reference solutions of github.com/maziarraissi/PINNs (MIT), for tests only."""

SETS = {**DATASETS, "pinn": PINN}


def require_data(*names):
    """Skip, saying what is missing, unless these data sets are here; with BPFREE_REQUIRE_DATA=1 fail."""
    missing = [f"{name}: {', '.join(files)}" for name in names if (files := SETS[name].missing())]
    if missing:
        reason = f"not in BPFREE_DATA nor in the cache: {'; '.join(missing)}"
        (pytest.fail if os.environ.get("BPFREE_REQUIRE_DATA") == "1" else pytest.skip)(reason)
