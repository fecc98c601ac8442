"""Wrist accelerometer: splits by time on files made by the test, and the real set."""

import hashlib

import numpy as np
import pytest
from fake_data import npy, put

from bpfree import datasets
from bpfree.datasets import twristar
from bpfree.datasets.fetch import Source
from bpfree.errors import FormatError

BOUTS = ["Upstairs", "Downstairs", "Upstairs", "Downstairs", "Jogging", "Walking", "Jogging", "Standing", "Sitting"]
LAST = [2, 3, 5, 6, 7, 8]
"""Indices of the bouts that are the last of their activity."""


def windows(part, length=4):
    """Return X whose entries identify their window, and activities in bouts of `length` windows."""
    names = np.repeat(np.array(BOUTS, "<U10"), length)[:, None]
    x = np.zeros((len(names), 96, 4)) + np.arange(len(names))[:, None, None] / 64 + "aosn".index(part[0])
    return x, names


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("BPFREE_DATA", str(tmp_path))

    def install(**changed):
        parts = {}
        for part, files in twristar.PARTS.items():
            arrays = changed.get(part) or windows(part)
            contents = {file.name: npy(array) for file, array in zip(files, arrays)}
            parts[part] = put(tmp_path, "twristar", contents).files
        monkeypatch.setattr(twristar, "PARTS", parts)
        monkeypatch.setattr(twristar, "SOURCE", Source("twristar", sum(parts.values(), ())))

    return install


@pytest.mark.parametrize("which", ["apart", "overlapping"])
def test_the_last_bout_of_each_activity_validates(small, which):
    small()
    train, validation, _ = datasets.load_twristar(windows=which)
    x, names = windows(which)
    bout = np.arange(len(names)) // 4
    for part, chosen in ((train, ~np.isin(bout, LAST)), (validation, np.isin(bout, LAST))):
        expected = (x[chosen] - twristar.CENTRE) / twristar.SCALE
        assert part.x.dtype == np.float32 and np.array_equal(part.x, expected.astype(np.float32))
        assert [twristar.CLASSES[k] for k in part.labels] == names[chosen, 0].tolist()
        assert part.labels.dtype == np.int64


@pytest.mark.parametrize("wearer", ["new", "same"])
def test_the_test_split_is_the_free_walk(small, wearer):
    small()
    test = datasets.load_twristar(wearer=wearer).test
    assert np.allclose(test.x * twristar.SCALE + twristar.CENTRE, windows(wearer)[0], atol=1e-6)
    for part, same in zip(test, datasets.load_twristar("test", wearer=wearer)):
        assert np.array_equal(part, same)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_one_split_alone_equals_the_same_split_of_all(small, split):
    small()
    for part, same in zip(getattr(datasets.load_twristar(), split), datasets.load_twristar(split), strict=True):
        assert np.array_equal(part, same)


def test_choices(small):
    small()
    with pytest.raises(ValueError, match="windows: expected one of 'apart', 'overlapping', got 'random'"):
        datasets.load_twristar(windows="random")
    with pytest.raises(ValueError, match="wearer: expected one of 'new', 'same', got 3"):
        datasets.load_twristar(wearer=3)
    with pytest.raises(ValueError, match="split: expected one of"):
        datasets.load_twristar("dev")


X, NAMES = windows("new")
WRONG = {
    "fewer labels": (
        (X, NAMES[1:]),
        r"X.npy: expected finite floats of shape \(35, 96, 4\), got float64 \(36, 96, 4\)",
    ),
    "other windows": ((X[:, :90], NAMES), r"X.npy: expected finite floats"),
    "NaN": ((np.where(X > X.mean(), X, np.nan), NAMES), r"X.npy: expected finite floats"),
    "words": ((X.astype(str), NAMES), r"X.npy: expected finite floats"),
    "other activities": ((X, np.where(NAMES == "Sitting", "Flying", NAMES)), r"y.npy: expected activities .*'Flying'"),
    "numbers": ((X, np.zeros((36, 1))), r"y.npy: expected activities .*got \[0.0\]"),
}


@pytest.mark.parametrize("what", WRONG)
def test_arrays_that_do_not_fit(small, what):
    arrays, message = WRONG[what]
    small(new=arrays)
    with pytest.raises(FormatError, match=f"twristar/sub2_unscripted/{message}"):
        datasets.load_twristar()


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"pickle me", npy(X)[:-8]])
def test_files_that_are_not_arrays(small, monkeypatch, tmp_path, data):
    small()
    file = twristar.PARTS["new"][0]
    (tmp_path / "twristar" / file.name).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    changed = type(file)(file.name, len(data), digest, ())
    monkeypatch.setitem(twristar.PARTS, "new", (changed, twristar.PARTS["new"][1]))
    with pytest.raises(FormatError, match="sub2_unscripted/X.npy: not an array"):
        datasets.load_twristar("test")


def test_pickles_are_refused(small, monkeypatch):
    small()
    import io

    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], object), allow_pickle=True)
    file = twristar.PARTS["new"][0]
    monkeypatch.setattr(Source, "read", lambda self, file, progress: out.getvalue())
    with pytest.raises(FormatError, match="not an array.*allow_pickle=False"):
        twristar._array(file, None)


COUNTS = {  # Downstairs, Jogging, Sitting, Standing, Upstairs, Walking
    "apart": [56, 58, 59, 57, 60, 58],
    "overlapping": [170, 175, 177, 170, 180, 175],
    "same": [48, 1, 83, 4, 61, 461],
    "new": [62, 1, 59, 37, 82, 494],
}


@pytest.mark.data("twristar")
def test_real_windows():
    for windows_, sizes in (("apart", [253, 95]), ("overlapping", [763, 284])):
        splits = datasets.load_twristar(windows=windows_)
        assert [len(part.x) for part in splits[:2]] == sizes
        assert np.bincount(splits.train_and_validation.labels).tolist() == COUNTS[windows_]
        assert np.bincount(splits.validation.labels).min() >= 8
        mean, spread = splits.train.x.mean(axis=(0, 1)), splits.train.x.std(axis=(0, 1))
        assert np.abs(mean).max() < 0.05 and np.abs(spread - 1).max() < 0.05, "CENTRE and SCALE are the training set's"
    for wearer in ("same", "new"):
        test = datasets.load_twristar("test", wearer=wearer)
        assert np.bincount(test.labels).tolist() == COUNTS[wearer] and np.isfinite(test.x).all()


@pytest.mark.data("twristar")
def test_no_sample_of_validation_is_in_train():
    """No second of a validation window occurs in train, although overlapping training windows share many seconds."""
    train, validation, _ = datasets.load_twristar(windows="overlapping")
    starts = {window[k : k + 32].tobytes() for window in train.x for k in (0, 32, 64)}
    assert len(starts) < 3 * len(train.x), "overlapping windows do share seconds"
    assert not any(window[k : k + 32].tobytes() in starts for window in validation.x for k in (0, 32, 64))
