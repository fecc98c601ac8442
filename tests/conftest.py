"""Fixtures that more than one file uses, and the rule for tests on real data."""

import os
import shutil

import helpers
import pytest
from real_data import SETS, require_data

os.environ["BPFREE_OFFLINE"] = "1"  # the suite never downloads; tests of downloads ask a server of their own


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


@pytest.fixture(scope="session")
def _place(tmp_path_factory):
    return tmp_path_factory.mktemp("workshop")


@pytest.fixture
def workshop(_place):
    """A folder to export firmware to, the same for every test: of the runtime only what changes is compiled again."""
    for path in _place.iterdir():
        if path.is_file():
            path.unlink()
        elif path.name not in ("runtime", "port"):
            shutil.rmtree(path)
    helpers.as_exported(_place)
    return _place


@pytest.fixture
def build(tmp_path):
    """build(main_source, **options) -> Firmware: a main program on the port of a target, compiled."""
    from bpfree import emulate
    from bpfree.exporters.ports import port_files

    def compile_main(source, target="cortex-m4f", **options):
        folder = tmp_path / f"program{len(list(tmp_path.iterdir()))}"
        (folder / "port").mkdir(parents=True)
        for name, path in port_files(emulate.find_target(target)).items():
            shutil.copy(path, folder / "port" / name)
        (folder / "main.c").write_text('#include "port.h"\nint main(void);\n' + source, "utf-8")
        return emulate.compile_firmware(folder, target=target, **options)

    return compile_main
