"""Fixtures that more than one file uses."""

import shutil

import helpers
import pytest


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
