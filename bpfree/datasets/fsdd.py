# SPDX-License-Identifier: MIT
"""Spoken digits: 3000 recordings of "zero" to "nine" by six speakers, 50 takes of each digit, at 8 kHz.

Free Spoken Digit Dataset, Zohar Jackson and others,
github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bpfree.datasets.fetch import File, Source
from bpfree.datasets.log_mel import log_mel
from bpfree.datasets.samples import Samples, Splits, check_split, choose
from bpfree.datasets.wav import pack_archive
from bpfree.errors import FormatError, check_choice
from bpfree.screen.progress import live_bar

_COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
PACKED = File("fsdd.npz", 15425889, "0610b24143da0c4a64b181e63bccbe12d3c31c23e271bb4393f2f1dfb64bee25", ())
"""The recordings as one array file: used where it is found in a folder, but published nowhere."""

ARCHIVE = File(
    f"free-spoken-digit-dataset-{_COMMIT}.tar.gz",
    40_000_000,  # upper limit of about 16 MB: GitHub repacks archives, so the recordings are verified, not the file
    "",
    (
        f"https://github.com/Jakobovski/free-spoken-digit-dataset/archive/{_COMMIT}.tar.gz",
        f"https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/tar.gz/{_COMMIT}",
    ),
)
SOURCE = Source("fsdd", (ARCHIVE,))

CONTENTS = "4c22592931126b962a8393547508e8c9df76f197d56f29a0320c9aec16c188a3"
"""The sha256 of the arrays' bytes that `digest` returns for the published recordings."""

TEST_TAKES = 5
"""Number of takes in the test set: 0 to 4, the authors' split. The next five takes are the validation set."""


class Indices(NamedTuple):
    """Indices of the recordings in each split, ascending."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class Recordings:
    """The raw recordings, sorted by (digit, speaker name, take).

    audio: (samples,) int16, all recordings end to end at 8000 samples per second.
    offset: (n + 1,) int64, the first sample of each recording and the end of the last.
    labels: (n,) int64, the digits.
    speaker: (n,) uint8, indices into speaker_names.
    take: (n,) uint8, the number of the take, 0 to 49.
    speaker_names: the names of the speakers, sorted.

    >>> two = Recordings(np.arange(5, dtype=np.int16), np.array([0, 2, 5]), np.array([0, 1]),
    ...                  np.array([0, 0]), np.array([7, 2]), ("ann",))
    >>> two.wave(1).tolist(), two.official().test.tolist()
    ([2, 3, 4], [1])
    """

    audio: np.ndarray
    offset: np.ndarray
    labels: np.ndarray
    speaker: np.ndarray
    take: np.ndarray
    speaker_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def wave(self, k: int) -> np.ndarray:
        """Return the samples of recording k, int16, as a view of audio."""
        return self.audio[self.offset[k] : self.offset[k + 1]]

    def official(self) -> Indices:
        """Return the authors' split: takes 0 to 4 test, 5 to 9 validate, 10 to 49 train; all speakers are in each."""
        return self._split(self.take < TEST_TAKES, (self.take >= TEST_TAKES) & (self.take < 2 * TEST_TAKES))

    def without(self, speaker: str) -> Indices:
        """Return a split that tests on one speaker alone; takes 0 to 4 of the others validate, and 5 to 49 train."""
        number = self.speaker_names.index(check_choice("speaker", speaker, self.speaker_names))
        theirs = self.speaker == number
        return self._split(theirs, ~theirs & (self.take < TEST_TAKES))

    @staticmethod
    def _split(test, validation) -> Indices:
        return Indices(*map(np.flatnonzero, (~test & ~validation, validation, test)))

    def features(self, progress: bool | None = None) -> np.ndarray:
        """Return `log_mel` of every recording, (n, 256) float32."""
        rows = []
        with live_bar(len(self), "log-mel features", progress) as show:
            for k in range(len(self)):
                rows.append(log_mel(self.wave(k)))
                show(k + 1)
        return np.stack(rows)


def load_fsdd(
    split: str | None = None, *, held_out: str | None = None, progress: bool | None = None
) -> Splits | Samples:
    """Return all three splits, or the one named: "train" (2400 recordings), "validation" (300) or "test" (300).

    x (n, 256) float32 holds 16 pieces of time x 16 mel bands, see
    `bpfree.datasets.log_mel`; labels are 0 to 9. The splits are the authors', by
    take: all six speakers occur in all three. held_out="theo" tests on all 500
    recordings of that speaker, trains on 2250 recordings of the others and
    validates on 250: the case of a device that hears a stranger. For speakers
    and audio see `load_recordings`, whose `official()` and `without(speaker)`
    return the index of the recording behind each row.

    The data is searched for as fsdd.npz or as the archive of the original files
    in BPFREE_DATA/fsdd, then in the user's cache, and is downloaded otherwise
    (16 MB). Raises DataMissingError with instructions where that fails, and
    FormatError for files that are not the published ones.

    >>> train, validation, test = load_fsdd()
    >>> train.x.shape, validation.x.shape, test.x.shape
    ((2400, 256), (300, 256), (300, 256))
    >>> len(load_fsdd("test", held_out="theo").x)
    500
    """
    check_split(split)
    recordings = load_recordings(progress)
    indices = recordings.official() if held_out is None else recordings.without(held_out)
    x, labels = recordings.features(progress), recordings.labels
    return choose(Splits(*(Samples(x[rows], labels[rows]) for rows in indices)), split)


def load_recordings(progress: bool | None = None) -> Recordings:
    """Return the recordings themselves (audio, digits, speakers, takes), found as `load_fsdd` says.

    >>> recordings = load_recordings()
    >>> len(recordings), recordings.speaker_names[0], recordings.wave(0).dtype
    (3000, 'george', dtype('int16'))
    """
    if SOURCE.find(PACKED):
        with np.load(io.BytesIO(SOURCE.read(PACKED)), allow_pickle=False) as arrays:
            return _recordings(PACKED.name, dict(arrays))
    archive = SOURCE.find(ARCHIVE)
    return _from_archive(archive) if archive else SOURCE.download(ARCHIVE, _from_archive, progress)


def missing() -> list[str]:
    """Return the names of the files to download: [] where either form of the data is on this machine."""
    return [] if SOURCE.find(PACKED) else SOURCE.missing()


def _from_archive(path) -> Recordings:
    return _recordings(path, pack_archive(path))


def _recordings(where, arrays) -> Recordings:
    found = digest(arrays)
    if found != CONTENTS:
        raise FormatError(f"{where}: expected recordings of sha256 {CONTENTS}, got {found}: not commit {_COMMIT[:8]}")
    names = tuple(str(name) for name in arrays["speaker_names"])
    labels = arrays["digit"].astype(np.int64)
    return Recordings(arrays["audio"], arrays["offset"], labels, arrays["speaker"], arrays["take"], names)


def digest(arrays) -> str:
    """Return the sha256 of audio, offset, digit, speaker, take (little-endian bytes) and the names, one per line."""
    whole = hashlib.sha256()
    for name, dtype in (("audio", "<i2"), ("offset", "<i8"), ("digit", "u1"), ("speaker", "u1"), ("take", "u1")):
        whole.update(np.ascontiguousarray(arrays[name], dtype).data)
    whole.update("\n".join(arrays["speaker_names"]).encode())
    return whole.hexdigest()
