"""The examples in docstrings have the outputs that they show."""

import doctest
import importlib
import pkgutil

import pytest

import bpfree

NEED_DATA = {
    "bpfree.datasets.mnist": ("mnist", "fashion_mnist"),
    "bpfree.datasets.fsdd": ("fsdd",),
    "bpfree.datasets.twristar": ("twristar",),
}
MODULES = sorted(
    name
    for _, name, _ in pkgutil.walk_packages(bpfree.__path__, "bpfree.", onerror=lambda name: None)
    if not name.endswith(("._core", ".__main__"))
    and not name.startswith("bpfree.bpfree")  # an editable install finds the checkout's folder as well
)
WITH_EXAMPLES = {
    *("bpfree.rng", "bpfree.graph.graph", "bpfree.arithmetic.math32", "bpfree.training.loop", "bpfree.tt.shapes"),
}


def parameter(name):
    """Examples that load a data set run where it is."""
    return pytest.param(name, marks=pytest.mark.data(*NEED_DATA[name])) if name in NEED_DATA else name


@pytest.mark.parametrize("name", [parameter(name) for name in MODULES])
def test_examples(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if (error.name or "").startswith("bpfree"):
            raise
        pytest.skip(f"needs {error.name}")
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    assert result.attempted or name not in WITH_EXAMPLES


def test_the_modules_are_found():
    assert set(MODULES) >= WITH_EXAMPLES | set(NEED_DATA)


@pytest.mark.parametrize("name", sorted(set(bpfree.__all__) - {"__version__", *bpfree._MODULES}))
def test_every_public_name_has_a_runnable_example(name):
    assert ">>> " in (getattr(bpfree, name).__doc__ or ""), f"bpfree.{name} needs an example in its docstring"
