# SPDX-License-Identifier: MIT
"""TWristAR: six activities measured by an accelerometer on the right wrist, at 32 Hz, by two wearers.

Lee B. Hinkle, Gentry Atkinson, Vangelis Metsis (Texas State University),
doi:10.5281/zenodo.5911808, CC BY-SA 4.0; the windows of
github.com/imics-lab/Semi-Supervised-HAR-e4-Wristband. With two people only,
the data supports no conclusion about people in general.
"""

from __future__ import annotations

import io

import numpy as np

from bpfree.datasets.fetch import File, Source
from bpfree.datasets.samples import Samples, Splits, check_split
from bpfree.errors import FormatError, check_choice

CLASSES = ("Downstairs", "Jogging", "Sitting", "Standing", "Upstairs", "Walking")

CENTRE = np.array([-0.40, -0.69, 0.29, 0.05])
SCALE = np.array([0.40, 0.53, 0.30, 0.40])
"""Mean and standard deviation of each channel in the training windows, rounded: x = (raw - CENTRE) / SCALE, in g."""

_ADDRESS = (
    "https://raw.githubusercontent.com/imics-lab/Semi-Supervised-HAR-e4-Wristband/"
    "155ef2d54c3edf1efc5daf6cd0ee18a761061b50/processed_ndarrays/"
)


def _part(name: str, *rows) -> tuple[File, ...]:
    return tuple(File(f"{name}/{file}", size, sha256, (f"{_ADDRESS}{name}/{file}",)) for file, size, sha256 in rows)


PARTS = {
    "apart": _part(
        "3s_window_no_overlap",
        ("X.npy", 1069184, "cb5f11e999e9c76fa50566ff69c170f28cff5ba8c9610591540d0b847b5814e1"),
        ("y.npy", 14048, "40a4b846c0719c1c3ae49cfb4a84ff1584395217a9841d9ab958e66a5a775f8f"),
    ),
    "overlapping": _part(
        "3s_window_2s_overlap",
        ("X.npy", 3216512, "329bc97e0dd77b3f092d484eff8ea21e81f6e6a29e485da43a506d3cef48d138"),
        ("y.npy", 42008, "01224b58cdf87d711c98864a7b11ef93520d28c55c39d66ba32000842efc4ef7"),
    ),
    "same": _part(
        "sub1_unscripted",
        ("X.npy", 2021504, "2ae44b325e6ae5999f83bf0a9696318949a88048b679717449b3a4e44cedac13"),
        ("y.npy", 26448, "251613892e82e707d47869ccad5e9803cfeb408c891fba3909fa2cc2af0dbf48"),
    ),
    "new": _part(
        "sub2_unscripted",
        ("X.npy", 2258048, "f5d6fae2242a502d3e3f47c2fc2aed52fe1808675f7a361cfac71248d60c6a20"),
        ("y.npy", 29528, "9d98194420c5e1526394cd249a9021e910b4eb2373f936afdffbf255e71b2bc7"),
    ),
}
"""The files of each part, windows and then activities: the arguments `windows` and `wearer` name parts."""

SOURCE = Source("twristar", tuple(file for part in PARTS.values() for file in part))


def load_twristar(
    split: str | None = None, *, windows: str = "apart", wearer: str = "new", progress: bool | None = None
) -> Splits | Samples:
    """Return all three splits, or the one named: "train" (253 windows), "validation" (95) or "test" (735).

    x (n, 96, 4) float32 holds 3 seconds of x, y, z and |acceleration| - 1 in g,
    minus CENTRE and divided by SCALE; labels are 0 to 5, indices into CLASSES.

    Training and validation: wearer 1 follows a script, with each activity in
    several bouts. The last bout of each activity is the validation split: it is
    a split by time, because neighbouring windows are very similar.
    windows="overlapping" cuts the same recording once per second, so that
    neighbours share 2 of their 3 seconds (763 and 284 windows). No window spans
    two bouts, so no training window shares a sample with a validation window.
    Never split overlapping windows at random.

    Test: a walk without a script, with classes as they occur (two thirds
    Walking) and overlapping windows: of wearer 2 with wearer="new" (735
    windows), of wearer 1 with wearer="same" (658 windows). By default it is
    *another wearer*, so its accuracy lies far below that of the validation split.

    The files are searched for in BPFREE_DATA/twristar, then in the user's cache,
    and are downloaded otherwise (at most 9 MB). Raises DataMissingError with
    instructions where that fails, and FormatError for files that are not the
    published ones.

    >>> train, validation, test = load_twristar()
    >>> train.x.shape, len(validation.labels), len(test.labels), CLASSES[train.labels[0]]
    ((253, 96, 4), 95, 735, 'Upstairs')
    """
    check_split(split)
    check_choice("windows", windows, ("apart", "overlapping"))
    check_choice("wearer", wearer, ("new", "same"))
    if split == "test":
        return _samples(wearer, progress)
    script = _samples(windows, progress)
    last = last_bouts(script.labels)
    rows = {"train": ~last, "validation": last}
    splits = {name: Samples(script.x[chosen], script.labels[chosen]) for name, chosen in rows.items()}
    return splits[split] if split else Splits(**splits, test=_samples(wearer, progress))


def last_bouts(labels) -> np.ndarray:
    """Return a mask (n,) that is True in the last run of equal neighbours of each label.

    >>> last_bouts(np.array([0, 0, 1, 0, 1, 1])).tolist()
    [False, False, False, True, True, True]
    """
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    stops = np.append(starts[1:], len(labels))
    last = {labels[start]: slice(start, stop) for start, stop in zip(starts, stops)}
    chosen = np.zeros(len(labels), bool)
    for bout in last.values():
        chosen[bout] = True
    return chosen


def _samples(part: str, progress) -> Samples:
    """Return the windows and labels of one part, in order of time."""
    raw, names = (_array(file, progress) for file in PARTS[part])
    names = names.reshape(-1)
    shape, unknown = (len(names), 96, 4), sorted(set(names.tolist()) - set(CLASSES))
    if raw.shape != shape or raw.dtype.kind != "f" or not np.isfinite(raw).all():
        where = f"{SOURCE.folder}/{PARTS[part][0].name}"
        raise FormatError(f"{where}: expected finite floats of shape {shape}, got {raw.dtype} {raw.shape}")
    if unknown:
        raise FormatError(f"{SOURCE.folder}/{PARTS[part][1].name}: expected activities {CLASSES}, got {unknown}")
    labels = np.searchsorted(CLASSES, names)
    return Samples(((raw - CENTRE) / SCALE).astype(np.float32), labels.astype(np.int64))


def _array(file: File, progress) -> np.ndarray:
    """Return the array of a .npy file whose checksum is verified, so that its header can be trusted."""
    data = SOURCE.read(file, progress)
    try:
        return np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FormatError(f"{SOURCE.folder}/{file.name}: not an array: {error}") from None
