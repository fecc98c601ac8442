"""The conditions of bit-identity: no fused multiply-add in the binary, no flush-to-zero in the process."""

import contextlib
import ctypes
import importlib.util
import platform
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import ISAS, floats, make_engine, single_op

import bpfree as bf
from bpfree import native
from bpfree.engines.batch import Batch
from bpfree.engines.probes import Probe
from bpfree.errors import NumericError
from bpfree.estimators.rge import RGE
from bpfree.losses import LOSSES
from bpfree.pde.streams import Streams
from bpfree.trainer import Trainer
from bpfree.updates.sgd import SGD

X86 = platform.machine() in ("x86_64", "AMD64")
NO_CONSTANTS = np.zeros(0, np.float32)
FTZ, DAZ = 0x8000, 0x0040
# All mnemonics of the fused multiply-adds of FMA3, FMA4 and AVX-512 begin with one of these.
FUSED = ("vfmadd", "vfmsub", "vfnmadd", "vfnmsub", "v4fmadd", "v4fnmadd")


def instructions(path):
    """Return the mnemonics of .text, by linear disassembly without symbols."""
    capstone = pytest.importorskip("capstone")
    elffile = pytest.importorskip("elftools.elf.elffile")
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            pytest.skip("not an ELF file")
        text = elffile.ELFFile(file).get_section_by_name(".text")
        code, address = text.data(), text["sh_addr"]
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    disassembler.skipdata = True
    return [mnemonic for _, _, mnemonic, _ in disassembler.disasm_lite(code, address)]


@pytest.mark.skipif(not X86, reason="looks for x86 instructions")
def test_the_extension_holds_no_fused_multiply_add():
    found = instructions(native.core().__file__)
    assert len(found) > 5000 and "mulss" in found and "addss" in found
    if "avx2" in native.isa_names(supported=False):
        assert "vmulps" in found and "vaddps" in found  # so vector code was decoded
    assert not {mnemonic for mnemonic in found if mnemonic.startswith(FUSED)}


@pytest.fixture(scope="session")
def control_register(tmp_path_factory):
    """Return an object whose get() and set(value) access the MXCSR register of this thread."""
    if not X86:
        pytest.skip("MXCSR is an x86 register")
    if shutil.which("cc"):
        compiler = ["cc"]
    elif importlib.util.find_spec("ziglang"):
        compiler = [sys.executable, "-m", "ziglang", "cc"]
    else:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("mxcsr")
    source, library = folder / "mxcsr.c", folder / "mxcsr.so"
    source.write_text(
        "#include <xmmintrin.h>\n"
        "unsigned get(void) { return _mm_getcsr(); }\n"
        "void set(unsigned value) { _mm_setcsr(value); }\n"
    )
    subprocess.run([*compiler, "-O1", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.get.restype = ctypes.c_uint
    loaded.set.argtypes = [ctypes.c_uint]
    return loaded


CHANGES = {"ftz": FTZ, "daz": DAZ, "both": FTZ | DAZ, "down": 0x2000, "up": 0x4000, "to zero": 0x6000}


@contextlib.contextmanager
def changed(control_register, flag):
    before = control_register.get()
    control_register.set(before | flag)
    try:
        yield
    finally:
        control_register.set(before)


@pytest.mark.parametrize("flag", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("isa", ISAS)
def test_a_thread_whose_arithmetic_was_changed_is_refused(control_register, isa, flag):
    graph = single_op("linear", {"outputs": 2, "bias": True}, ((3,),))
    theta, x, engine = floats(0, 8), floats(1, 5, 3), make_engine(f"compiled-{isa}")
    batch = Batch(x, targets=floats(2, 5, 2))
    trainer = Trainer(graph, NO_CONSTANTS, "mse", RGE(), SGD(), batch_size=1)
    calls = (
        lambda: engine.predict(graph, theta, NO_CONSTANTS, x),
        lambda: engine.evaluate(
            graph, theta, NO_CONSTANTS, batch, LOSSES["mse"], [Probe(0, 0, 0, 0.1, 0, 8)]
        )[0],
        lambda: engine.apply(trainer, theta, [], 0, np.array([[0.5]], np.float32))[0],
        lambda: engine.jets(graph, theta, NO_CONSTANTS, x, Streams(np.eye(3)))[1],
    )
    expected = [call() for call in calls]
    for call, value in zip(calls, expected):
        with changed(control_register, flag):
            with pytest.raises(NumericError, match="^(predict|evaluate|step 0|jets): another library"):
                call()
        assert np.array_equal(call(), value)


MODEL, DATA = bf.Sequential(3, [bf.Linear(4), bf.Tanh(), bf.Linear(2)]), (floats(1, 8, 3), np.arange(8) % 2)
ESTIMATORS = [bf.RGE(2), bf.CGE(0.5), bf.UnitWise(), bf.NodePerturbation(2)]


@pytest.mark.parametrize("flag", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("engine", ["exact", "compiled"])
def test_predict_train_and_replay_notice(control_register, engine, flag):
    run = bf.train(MODEL, DATA, estimator=bf.RGE(2), batch_size=4, max_steps=3, engine=engine)
    calls = [lambda: MODEL.predict(DATA[0], engine), lambda: bf.replay(run.journal, MODEL, engine=engine)]
    for estimator in ESTIMATORS:
        given = {"estimator": estimator, "update": bf.Adam(0.01), "batch_size": 4, "max_steps": 3, "engine": engine}
        calls.append(lambda given=given: bf.train(MODEL, DATA, **given))
    for call in calls:
        with changed(control_register, flag):
            with pytest.raises(NumericError, match="^(predict|evaluate|replay|step 0): another library"):
                call()


def test_replay_in_blas_notices_too(control_register):
    run = bf.train(MODEL, DATA, estimator=bf.RGE(2), batch_size=4, max_steps=3, engine="reference")
    with changed(control_register, FTZ), pytest.raises(NumericError, match="^replay: another library"):
        bf.replay(run.journal, MODEL, engine="reference")


def test_subnormal_numbers_survive(strict_engine):
    """2^-140 is subnormal, and passes through weights, sums and activations unchanged."""
    tiny = np.float32(2.0**-140)
    graph = single_op("linear", {"outputs": 1, "bias": True}, ((2,),))
    theta = np.array([1, 1, tiny], np.float32)
    y = strict_engine.predict(graph, theta, NO_CONSTANTS, np.array([[tiny, tiny]], np.float32))
    assert y.tolist() == [[3 * 2.0**-140]]


def test_a_product_and_a_sum_round_twice(strict_engine):
    """(1 + 2^-12)^2 - (1 + 2^-11) is 2^-24 fused and 0 when the product rounds first."""
    a = np.float32(1 + 2.0**-12)
    graph = single_op("linear", {"outputs": 1, "bias": True}, ((1,),))
    theta = np.array([a, -np.float32(1 + 2.0**-11)], np.float32)
    assert strict_engine.predict(graph, theta, NO_CONSTANTS, np.array([[a]], np.float32)).tolist() == [[0.0]]


def test_sums_start_at_the_bias_and_ascend(strict_engine):
    """1e8 absorbs small terms: only one order gives these results."""
    big = np.float32(2.0**30)
    graph = single_op("linear", {"outputs": 3, "bias": True}, ((2,),))
    weights = np.array([[-1, 1], [1, -1], [1, 1]], np.float32)
    theta = np.concatenate([weights.ravel(), [big, 1, 1]]).astype(np.float32)
    y = strict_engine.predict(graph, theta, NO_CONSTANTS, np.array([[big, 1]], np.float32))
    # bias 2^30 - 2^30 + 1; bias 1 + 2^30 - 1 loses both ones; bias 1 + 2^30 + 1 too
    assert y.tolist() == [[1.0, 2.0**30, 2.0**30]]
