"""MNIST and Fashion-MNIST: loaders on small files of the same format, and the real sets."""

import numpy as np
import pytest
from fake_data import idx, packed, put

import bpfree as bf
from bpfree import datasets, rng
from bpfree.datasets import mnist
from bpfree.errors import FormatError

NAMES = [file.name for file in mnist.MNIST.files]
SETS = {"MNIST": datasets.load_mnist, "FASHION_MNIST": datasets.load_fashion_mnist}


def arrays(train=50, test=20):
    draw = np.random.default_rng(0)
    return [
        draw.integers(0, 256, (train, 28, 28)), np.arange(train) % 10,
        draw.integers(0, 256, (test, 28, 28)), np.arange(test) % 10,
    ]  # fmt: skip


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Return a function of (name, arrays) that puts small files where the loader looks."""

    def install(name, contents, pack=packed):
        source = put(tmp_path, "small", {file: pack(array) for file, array in zip(NAMES, contents)})
        monkeypatch.setattr(mnist, name, source)
        monkeypatch.setattr(mnist, "VALIDATION", 15)
        monkeypatch.setenv("BPFREE_DATA", str(tmp_path))

    return install


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("pack", [idx, packed])
def test_splits(fake, name, pack):
    contents = arrays()
    fake(name, contents, pack)
    train, validation, test = splits = SETS[name]()
    assert [len(part.x) for part in splits] == [35, 15, 20]
    for part in splits:
        assert part.x.dtype == np.float32 and part.x.shape[1:] == (784,) and part.labels.dtype == np.int64
        assert part.pixels.dtype == np.uint8
    assert np.array_equal(test.pixels.reshape(-1, 28, 28), contents[2]) and np.array_equal(test.labels, contents[3])
    order = rng.shuffle(seed=0, epoch=0, n=50, i=np.arange(50))
    assert np.array_equal(np.concatenate([train.pixels, validation.pixels]), contents[0].reshape(50, 784)[order])
    assert np.array_equal(np.concatenate([train.labels, validation.labels]), contents[1][order])


def test_one_split_alone_equals_the_same_split_of_all_and_both_join(fake):
    fake("MNIST", arrays())
    splits = datasets.load_mnist()
    for name in splits._fields:
        for part, whole in zip(datasets.load_mnist(name), getattr(splits, name), strict=True):
            assert np.array_equal(part, whole)
    both = splits.train_and_validation
    assert type(both) is datasets.Images and len(both.x) == len(both.labels) == 50
    assert np.array_equal(both.part(0, 35).x, splits.train.x)
    assert np.array_equal(both.part(35, 50).pixels, splits.validation.pixels)
    with pytest.raises(ValueError, match="split: expected one of 'train', 'validation', 'test', got 'dev'"):
        datasets.load_mnist("dev")


def test_the_test_split_needs_only_the_test_files(fake, tmp_path):
    fake("MNIST", arrays())
    (tmp_path / "small" / NAMES[0]).unlink()
    assert len(datasets.load_mnist("test").x) == 20
    assert mnist.MNIST.missing() == [NAMES[0]]


def test_x_is_what_a_device_computes():
    every = datasets.Images.of_pixels(np.arange(256, dtype=np.uint8)[None], np.zeros(1, np.uint8))
    sent = bf.exporters.firmware.Samples(every.pixels, labels=every.labels, scale=1 / 255)
    assert np.array_equal(sent.x, every.x) and every.x.max() == 1 and every.x.min() == 0
    assert np.array_equal(every.pixels[0], np.arange(256))
    assert np.abs(every.x.astype(float) - np.arange(256) / 255).max() < 1e-7


def test_usable_for_training(fake):
    fake("MNIST", arrays())
    train, validation, _ = datasets.load_mnist()
    model = bf.Sequential(784, [bf.Linear(10)])
    run = bf.train(model, train, validation=validation, max_steps=2, batch_size=8, engine="reference")
    assert run.outcome == "done" and len(run.validation) == 1


WRONG = {
    "fewer labels": (1, np.arange(49) % 10, "expected 50 labels of 0 to 9, got 49"),
    "label 10": (1, np.arange(50) % 11, "got 50 labels up to 10"),
    "labels instead of images": (0, np.arange(50), "in 3 dimensions"),
}


@pytest.mark.parametrize("what", WRONG)
def test_files_that_do_not_fit_one_another(fake, what):
    place, array, message = WRONG[what]
    contents = arrays()
    contents[place] = array
    fake("MNIST", contents)
    with pytest.raises(FormatError, match=f"small/train-.*: .*{message}"):
        datasets.load_mnist()


def test_a_changed_file_is_refused(fake, tmp_path):
    fake("MNIST", arrays())
    path = tmp_path / "small" / NAMES[2]
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(FormatError, match=f"{NAMES[2]}: expected sha256"):
        datasets.load_mnist()


def statistics(splits):
    """Return label counts of training and test samples, and pixel mean and deviation of the training samples."""
    both = splits.train_and_validation
    mean = both.x.mean(dtype=np.float64)
    spread = both.x.std(dtype=np.float64)
    counts = [np.bincount(part.labels).tolist() for part in (both, splits.test)]
    return counts, round(float(mean), 4), round(float(spread), 4)


@pytest.mark.data("mnist")
def test_mnist():
    splits = datasets.load_mnist()
    assert [part.x.shape for part in splits] == [(50000, 784), (10000, 784), (10000, 784)]
    counts, mean, spread = statistics(splits)
    assert counts == [
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    ]
    assert (mean, spread) == (0.1307, 0.3081)
    assert splits.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    share = np.bincount(splits.validation.labels) / np.array(counts[0])
    assert share.min() > 0.15 and share.max() < 0.18, "the shuffle leaves no class out"


@pytest.mark.data("fashion_mnist")
def test_fashion_mnist():
    splits = datasets.load_fashion_mnist()
    assert [part.x.shape for part in splits] == [(50000, 784), (10000, 784), (10000, 784)]
    assert statistics(splits) == ([[6000] * 10, [1000] * 10], 0.2860, 0.3530)
    names = [mnist.FASHION_CLASSES[label] for label in splits.test.labels[:5]]
    assert names == ["Ankle boot", "Pullover", "Trouser", "Trouser", "Shirt"]
