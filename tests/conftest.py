"""Fixtures that more than one file uses, and the rule for tests on real data."""

import os
import shutil

import helpers
import pytest

from bpfree.datasets import DATASETS
from bpfree.datasets.fetch import File, Source

os.environ["BPFREE_OFFLINE"] = "1"  # the suite never downloads; tests of downloads ask a server of their own


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


def pytest_runtest_setup(item):
    """`@pytest.mark.data("mnist")`: the sets a test needs."""
    for mark in item.iter_markers("data"):
        require_data(*mark.args)


def pytest_collection_modifyitems(items):
    """A mark that names no data set would never skip and never fail."""
    for item in items:
        for mark in item.iter_markers("data"):
            if not mark.args or not set(mark.args) <= set(SETS):
                raise pytest.UsageError(f"{item.nodeid}: data(...) needs names among {', '.join(SETS)}")


@pytest.fixture(params=helpers.ENGINES)
def strict_engine(request):
    """Each engine that promises the bits of the exact reference, that reference included."""
    return helpers.make_engine(request.param)


@pytest.fixture(params=helpers.ISAS)
def compiled(request):
    """The compiled engine with each instruction set of this processor."""
    return helpers.make_engine(f"compiled-{request.param}")


@pytest.fixture
def build(tmp_path):
    """build(main_source, **options) -> Firmware: a main program on the Cortex-M port, compiled."""
    from bpfree import emulate
    from bpfree.exporters.firmware import runtime_folder

    def compile_main(source, **options):
        folder = tmp_path / f"program{len(list(tmp_path.iterdir()))}"
        shutil.copytree(runtime_folder() / "ports" / "cortex_m", folder / "port")
        (folder / "main.c").write_text('#include "port.h"\nint main(void);\n' + source, "utf-8")
        return emulate.compile_firmware(folder, **options)

    return compile_main
