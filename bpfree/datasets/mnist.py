# SPDX-License-Identifier: MIT
"""MNIST and Fashion-MNIST: grey images of 28 x 28 pixels in ten classes, 60,000 for training and 10,000 for testing.

MNIST: Yann LeCun and Corinna Cortes, "The MNIST database of handwritten
digits", 1998; CC BY-SA 3.0 as commonly stated. Fashion-MNIST: Xiao, Rasul and
Vollgraf, arXiv:1708.07747, 2017, Zalando SE; MIT licence.
"""

from __future__ import annotations

import numpy as np

from bpfree import rng
from bpfree.datasets.fetch import File, Source
from bpfree.datasets.idx import parse_idx
from bpfree.datasets.samples import Images, Samples, Splits, check_split
from bpfree.errors import FormatError

VALIDATION = 10_000
"""Number of samples taken from the end of the shuffled training samples for validation."""


def _source(folder: str, addresses, rows) -> Source:
    """Return the source of four files: images and labels for training, then images and labels for testing."""
    return Source(folder, tuple(File(*row, tuple(a + row[0] for a in addresses)) for row in rows))


MNIST = _source(
    "mnist",
    ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    [
        ("train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ],
)

FASHION_MNIST = _source(
    "fashion_mnist",
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
        "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/",
    ),
    [
        ("train-images-idx3-ubyte.gz", 26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        ("train-labels-idx1-ubyte.gz", 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        ("t10k-images-idx3-ubyte.gz", 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        ("t10k-labels-idx1-ubyte.gz", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ],
)

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def load_mnist(split: str | None = None, *, progress: bool | None = None) -> Splits | Samples:
    """Return all three splits, or the one named: "train" (50,000 samples), "validation" (10,000) or "test" (10,000).

    x (n, 784) float32 = fl(pixel * fl(1/255)), row by row of the image; labels
    are 0 to 9. Sample i of the 60,000 samples for training and validation is
    number `rng.shuffle(seed=0, epoch=0, n=60000, i=i)` of the file, and the last
    10,000 of them are the validation split. For the usual split of 60,000 and
    10,000, choose settings on the validation split, then train once more on
    `load_mnist().train_and_validation`.

    progress: whether to show a bar on stderr; None shows it on a terminal.

    The files are searched for in BPFREE_DATA/mnist, then in the user's cache, and
    are downloaded otherwise (12 MB). Raises DataMissingError with instructions
    where that fails, and FormatError for files that are not the published ones.

    >>> train, validation, test = load_mnist()
    >>> train.x.shape, validation.x.shape, test.pixels.dtype
    ((50000, 784), (10000, 784), dtype('uint8'))
    """
    return _load(MNIST, split, progress)


def load_fashion_mnist(split: str | None = None, *, progress: bool | None = None) -> Splits | Samples:
    """Return images of clothes, with sizes, ranges, order and errors as in `load_mnist` (31 MB to download).

    FASHION_CLASSES holds the names of the classes.

    >>> test = load_fashion_mnist("test")
    >>> FASHION_CLASSES[test.labels[0]]
    'Ankle boot'
    """
    return _load(FASHION_MNIST, split, progress)


def _load(source: Source, split, progress) -> Splits | Samples:
    check_split(split)
    if split == "test":
        return _images(source, 2, progress)
    every = _images(source, 0, progress)
    first = max(0, len(every.x) - VALIDATION)
    splits = {"train": every.part(0, first), "validation": every.part(first, len(every.x))}
    return splits[split] if split else Splits(**splits, test=_images(source, 2, progress))


def _images(source: Source, first: int, progress) -> Images:
    """Return the images and labels of files `first` and `first` + 1; the training samples in shuffled order."""
    pixels, labels = (_array(source, source.files[first + k], 3 - 2 * k, progress) for k in (0, 1))
    if len(pixels) != len(labels) or labels.max() > 9:
        where, got = f"{source.folder}/{source.files[first + 1].name}", f"{len(labels)} labels up to {labels.max()}"
        raise FormatError(f"{where}: expected {len(pixels)} labels of 0 to 9, got {got}")
    pixels = pixels.reshape(len(pixels), -1)
    if first == 0:
        order = rng.shuffle(seed=0, epoch=0, n=len(pixels), i=np.arange(len(pixels)))
        pixels, labels = pixels[order], labels[order]
    return Images.of_pixels(pixels, labels)


def _array(source: Source, file: File, dimensions: int, progress) -> np.ndarray:
    return parse_idx(f"{source.folder}/{file.name}", source.read(file, progress), dimensions)
