"""Checks an installed wheel from outside the tree: `python -I smoke.py TREE`. Not for pytest."""

import pathlib
import subprocess
import sys
import sysconfig
import tempfile

# Threefry2x32-20 with key and counter zero, from the Random123 distribution's known-answer vectors.
KNOWN_ANSWER = (0x6B200159, 0x99BA4EFE)


def main(tree):
    import bpfree

    package = pathlib.Path(bpfree.__file__).resolve().parent
    assert package != tree / "bpfree", f"imported from the tree: {package}"
    assert package.parent == pathlib.Path(sysconfig.get_path("platlib")).resolve(), package

    import bpfree.exporters
    import bpfree.native

    words = bpfree.native.threefry(key=(0, 0), counter=(0, 0))
    assert tuple(int(word) for word in words) == KNOWN_ANSWER, [hex(int(word)) for word in words]

    folders = ("cmake/gen_cffi.py", "zephyr/module.yml", "arduino/keywords.txt", "include/bpfree/bpfree.h", "src/rng.c")
    for name in ("CMakeLists.txt", "library.json", "LICENSE", *folders):
        assert (package / "runtime_c" / name).is_file(), f"not packaged: runtime_c/{name}"
    for folder in ("bpfree/datasets", "exporters", "runtime_c/src", "runtime_c/include/bpfree"):
        missing = [
            path.name
            for path in (tree / folder).glob("*")
            if path.suffix in {".py", ".npz", ".c", ".h", ".def"}
            and not (package / pathlib.Path(folder.removeprefix("bpfree/")) / path.name).is_file()
        ]
        assert not missing, f"not packaged from {folder}: {missing}"

    work(tempfile.mkdtemp())

    program = pathlib.Path(sysconfig.get_path("scripts"), "bpfree")
    subprocess.run([program, "--help"], check=True, stdout=subprocess.DEVNULL)
    print(f"wheel ok: {package}")


def work(folder):
    """The data, the compiled engine and the firmware sources of the installed package."""
    import bpfree as bf
    from bpfree.datasets import load_digits

    digits = load_digits()
    model = bf.Sequential(64, [bf.TTLinear(16, rank=2), bf.Tanh(), bf.Linear(10)])
    run = bf.train(model, digits.train, max_steps=3, engine="compiled")
    replayed = bf.replay(run.journal, run.trainer, model.theta, bf.ReferenceEngine(exact=True))
    assert bf.theta_hash(replayed) == run.model.hash, "the compiled engine and NumPy differ"
    written = bf.exporters.firmware.export(model, folder, trainer=run.trainer)
    archives = bf.exporters.packages.export(folder)
    assert len(archives) == 3 and all(path.stat().st_size > 100_000 for path in archives), archives
    for name in ("model.c", "Makefile", "runtime/op_tt_linear.c", "runtime/bpfree/train.h", "port/link.ld"):
        assert (written / name).is_file(), f"not exported: {name}"


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
