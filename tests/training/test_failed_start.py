"""A run that fails before its first step leaves nothing behind."""

import os

import numpy as np
import pytest

import bpfree as bf


@pytest.mark.parametrize("files", [("run.journal",), ("run.journal", "run.ckpt")])
def test_a_run_that_fails_before_its_first_step_is_not_in_the_way_of_the_next(tmp_path, files):
    def broken(outputs, targets):
        raise RuntimeError("not yet")

    paths = dict(zip(("journal", "checkpoint"), (tmp_path / name for name in files)))
    data, model = (np.ones((4, 2), "f4"), np.zeros(4)), bf.Sequential(2, [bf.Linear(1)])
    loss = bf.Loss.of(broken, "broken")
    with pytest.raises(ValueError, match="got RuntimeError: not yet"):
        bf.train(model, data, loss=loss, batch_size=4, max_steps=2, **paths)
    assert os.listdir(tmp_path) == []
    bf.train(model, data, loss="mse", batch_size=4, max_steps=2, **paths)
    assert sorted(os.listdir(tmp_path)) == sorted(files)
    written = {path: path.read_bytes() for path in paths.values()}
    with pytest.raises(ValueError, match="a path where nothing is yet"):
        bf.train(model, data, loss=loss, batch_size=4, max_steps=2, **paths)
    assert written == {path: path.read_bytes() for path in paths.values()}, "files of another run stay"
