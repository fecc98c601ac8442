"""A firmware that only infers: bpfree_predict, without the training code, in 2,048 bytes."""


import pytest

for _module in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(_module, reason=f'{_module} compiles, runs or reads firmware: pip install "bpfree[emulate]"')

