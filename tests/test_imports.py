"""Who may import whom, and what `import bpfree` loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bpfree

PACKAGE = Path(bpfree.__file__).resolve().parent
# From the ground up: a room may import what stands on its own line or a lower one, and no imports go round in a
# circle (`test_no_circles`). A new room needs a place here.
FLOORS = [
    ["blas", "errors", "registry", "rng", "files", "locks", "npy", "screen"],
    ["native", "arithmetic"],
    ["tt"],
    ["ops"],
    ["graph"],
    ["losses", "directions", "schedules"],
    ["engines"],
    ["model"],
    ["executors", "updates", "estimators"],
    ["settings", "trainer"],
    ["journal"],
    ["training"],
    ["study"],
    ["pde"],
    ["datasets", "exporters"],
    ["emulate", "bench", "generate", "sklearn", "sklearn_inputs"],
    ["cli"],
    ["__main__"],
]
HEIGHT = {name: height for height, names in enumerate(FLOORS) for name in names}
# Third-party packages and the only rooms that may see them. numpy is everywhere.
ROOMS = {
    "cffi": {"native"},
    "threadpoolctl": {"blas", "bench"},
    "_core": {"native"},
    "tensorly": {"tt"},
    "click": {"cli"},
    "rich": {"screen", "cli", "bench"},
    "matplotlib": {"screen", "cli", "bench"},
    "sklearn": {"sklearn", "sklearn_inputs", "datasets", "bench", "cli"},
    "onnx": {"exporters", "bench"},
    "onnxruntime": {"exporters", "bench"},
    "torch": {"bench"},
    "autograd": set(),
}


def sources():
    """(room, path) of every module; the room is the part after `bpfree.`"""
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.parent.joinpath("exporters").rglob("*.py")]):
        if "runtime_c" in path.parts or "__pycache__" in path.parts:
            continue
        if path.is_relative_to(PACKAGE):
            parts = path.relative_to(PACKAGE).parts
            room = parts[0].removesuffix(".py")
        else:
            parts, room = path.parts, "exporters"
        if room != "__init__":
            yield room, path


SOURCES = sorted(set(sources()))


def imported(path, room):
    """(module, line) pairs: absolute names, wherever in the file they are imported."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield f"bpfree.{room}", node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "bpfree":
            yield from ((f"bpfree.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module, node.lineno


@pytest.mark.parametrize(("room", "path"), SOURCES, ids=[f"{path.parent.name}/{path.name}" for _, path in SOURCES])
def test_walls(room, path):
    assert room in HEIGHT, f"{path.name}: give bpfree.{room} its place in FLOORS"
    for module, line in imported(path, room):
        top, _, rest = module.partition(".")
        where = f"{path.name}:{line} imports {module}"
        if top == "bpfree" and rest:
            other = rest.partition(".")[0]
            if other == "_core":
                assert room in ROOMS["_core"], where
            elif other in HEIGHT:
                assert HEIGHT[other] <= HEIGHT[room], where
            else:
                assert HEIGHT[room] >= HEIGHT["bench"] or other.startswith("__"), f"{where}: not in FLOORS"
        elif top in ROOMS:
            assert room in ROOMS[top], where


def modules():
    """{name: path} of every module."""
    found = {}
    for room, path in SOURCES:
        base = PACKAGE if path.is_relative_to(PACKAGE) else PACKAGE.parent
        parts = path.relative_to(base).with_suffix("").parts
        found[".".join(["bpfree", *(part for part in parts if part != "__init__")])] = (room, path)
    return found


def arrows(found):
    """{module: modules that it imports}, wherever in a function the import stands."""
    result = {}
    for name, (_, path) in found.items():
        result[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                own = [f"{node.module}.{alias.name}" for alias in node.names]
                result[name] |= {one if one in found else node.module for one in own} & set(found)
    return result


def test_no_circles():
    graph, settled = arrows(modules()), set()

    def visit(name, trail):
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in settled:
            for to in sorted(graph[name]):
                visit(to, [*trail, name])
            settled.add(name)

    for name in graph:
        visit(name, [])


def test_the_walls_see_something():
    seen = {(room, module) for room, path in SOURCES for module, _ in imported(path, room)}
    assert {("native", "bpfree._core"), ("training", "bpfree.engines")} <= seen
    assert ("tt", "tensorly.tt_matrix") in seen


def loaded_by(code):
    """Names of the modules in sys.modules after this code, in a fresh interpreter."""
    program = f"{code}\nimport sys; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(result.stdout.split())


HEAVY = {
    "cffi",
    "_cffi_backend",
    "bpfree._core",
    "tensorly",
    "click",
    "rich",
    "matplotlib",
    "sklearn",
    "scipy",
    "torch",
}


def test_import_is_light():
    assert not loaded_by("import bpfree") & {*HEAVY, "threadpoolctl"}


def test_pdes_are_loaded_when_asked_for_and_without_statistics():
    """scipy.stats takes longer to load than everything else together."""
    assert not any(name.startswith("bpfree.pde") for name in loaded_by("import bpfree"))
    loaded = loaded_by("import bpfree as bf; bf.pde.solve")
    unwanted = {"scipy.stats", "threadpoolctl", "matplotlib", "bpfree._core", "rich"}
    assert "bpfree.pde.solve" in loaded and not loaded & unwanted


def test_training_in_numpy_loads_no_core_and_no_extras():
    code = (
        "import numpy as np, bpfree as bf\n"
        "x = np.ones((8, 2), 'f4'); y = np.arange(8) % 2\n"
        "model = bf.Sequential(2, [bf.TTLinear(4, rank=2), bf.Tanh(), bf.Linear(2)])\n"
        "bf.train(model, (x, y), max_steps=2, batch_size=4, engine='reference')"
    )
    assert not loaded_by(code) & HEAVY


def loaded_by_command(*arguments):
    """Names of the modules loaded after `bpfree ARGUMENTS`."""
    quiet = "with contextlib.redirect_stdout(io.StringIO()):"
    call = f"main({arguments!r}, standalone_mode=False)"
    return loaded_by(f"import io, contextlib\nfrom bpfree.cli import main\n{quiet} {call}")


def test_help_is_fast():
    assert not loaded_by_command("--help") & {*HEAVY - {"click"}, "numpy"}


@pytest.mark.parametrize("command", ["train", "evaluate", "solve", "info", "doctor"])
def test_help_of_a_command_loads_little(command):
    assert not loaded_by_command(command, "--help") & (HEAVY - {"click"})


def test_public_names_are_all_there():
    assert set(bpfree.__all__) <= set(dir(bpfree))
    for name in bpfree._HOMES:
        assert getattr(bpfree, name).__doc__, name
