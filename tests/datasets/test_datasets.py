"""The table of data sets, and the rule for tests that need one."""

import pytest
from real_data import require_data

from bpfree.datasets import DATASETS, Dataset, Splits


def test_rows():
    assert list(DATASETS) == ["digits", "mnist", "fashion_mnist", "fsdd", "twristar"]
    for name, row in DATASETS.items():
        assert row.name == name and len(row.classes) in (6, 10)
        assert len(row.description) < 90 and "\n" not in row.description
    assert DATASETS["digits"].missing() == []


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("BPFREE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_everything_but_digits_is_missing_from_an_empty_folder(nowhere):
    assert {name: len(row.missing()) for name, row in DATASETS.items()} == {
        "digits": 0, "mnist": 4, "fashion_mnist": 4, "fsdd": 1, "twristar": 8,
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "digits"])
def test_loading_a_missing_set_says_what_to_do(nowhere, name):
    with pytest.raises(FileNotFoundError, match=f"(?s)^{name}: .*nothing, as BPFREE_OFFLINE is set.*https?://"):
        DATASETS[name].load()


def test_a_test_without_its_data_skips_and_fails_where_data_is_required(nowhere, monkeypatch):
    monkeypatch.delenv("BPFREE_REQUIRE_DATA", raising=False)
    with pytest.raises(pytest.skip.Exception, match="mnist: train-images-idx3-ubyte.gz, "):
        require_data("mnist")
    monkeypatch.setenv("BPFREE_REQUIRE_DATA", "1")
    with pytest.raises(pytest.fail.Exception, match="twristar: 3s_window_no_overlap/X.npy, "):
        require_data("digits", "twristar")
    require_data("digits")


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.data(name)) for name in DATASETS])
def test_every_set_gives_three_splits_to_train_with(name):
    row = DATASETS[name]
    assert isinstance(row, Dataset)
    splits = row.load()
    assert isinstance(splits, Splits)
    for x, labels in splits:
        assert x.dtype == "float32" and labels.dtype == "int64" and len(x) == len(labels) > 0
        assert labels.min() == 0 and labels.max() == len(row.classes) - 1
