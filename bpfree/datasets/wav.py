# SPDX-License-Identifier: MIT
"""Reads recordings named DIGIT_SPEAKER_TAKE.wav and packs them into arrays."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import wave
import zlib

import numpy as np

from bpfree.errors import FormatError

RATE = 8000
"""Sampling rate in samples per second."""

_NAME = re.compile(r"(\d)_([a-z]+)_(\d{1,2})\.wav")
_MOST = 1 << 26
"""Bytes that an archive may have at most, unpacked."""


def read_wav(name: str, data: bytes) -> np.ndarray:
    """Return the samples (n,) int16 of a mono 16-bit wav file at 8 kHz; raise FormatError for anything else."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            got = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            frames = file.readframes(file.getnframes())
            expected = 2 * file.getnframes()
    except (wave.Error, EOFError, RuntimeError) as error:  # RuntimeError: a seek past the end of a damaged file
        raise FormatError(f"{name}: not a wav file: {error}") from None
    if got != (1, 2, RATE):
        raise FormatError(f"{name}: expected 1 channel, 2 bytes, {RATE} Hz, got {got}")
    if not frames or len(frames) != expected:
        raise FormatError(f"{name}: expected {expected} bytes of samples, at least one sample, got {len(frames)}")
    return np.frombuffer(frames, "<i2")


def pack(recordings) -> dict[str, np.ndarray]:
    """Pack (name, samples) pairs into arrays sorted by (digit, speaker, take).

    The arrays are audio (samples,) int16, all recordings end to end; offset
    (n + 1,) int64, where each begins; digit, speaker and take (n,) uint8, with
    speaker an index into speaker_names.

    >>> arrays = pack([("1_ann_0.wav", np.array([5, 6])), ("0_bob_3.wav", np.array([7]))])
    >>> arrays["audio"].tolist(), arrays["offset"].tolist(), arrays["speaker"].tolist()
    ([7, 5, 6], [0, 1, 3], [1, 0])
    """
    rows = {}
    for name, samples in recordings:
        match = _NAME.fullmatch(name)
        if not match:
            raise FormatError(f"{name}: expected a name such as 7_jackson_32.wav")
        key = (int(match[1]), match[2], int(match[3]))
        if key in rows:
            raise FormatError(f"{name}: expected one recording of this name, got two")
        rows[key] = samples
    if not rows:
        raise FormatError("recordings: expected wav files, got none")
    keys = sorted(rows)
    digits, speakers, takes = zip(*keys)
    names = sorted(set(speakers))
    return {
        "audio": np.concatenate([rows[key] for key in keys]).astype(np.int16),
        "offset": np.cumsum([0, *(len(rows[key]) for key in keys)], dtype=np.int64),
        "digit": np.array(digits, np.uint8),
        "speaker": np.array([names.index(name) for name in speakers], np.uint8),
        "take": np.array(takes, np.uint8),
        "speaker_names": np.array(names),
    }


def pack_archive(path) -> dict[str, np.ndarray]:
    """Pack the wav files in the folder `recordings` of a .tar.gz archive, without unpacking to disk."""
    try:
        with gzip.open(path) as unpacked, tarfile.open(fileobj=_Limited(unpacked), mode="r|") as archive:
            return pack(_recordings(archive))
    except FileNotFoundError:
        raise
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, LookupError, TypeError) as error:
        raise FormatError(f"{path}: not a .tar.gz archive: {error}") from None


class _Limited:
    """A file of which no more than _MOST bytes can be read: headers and skipped files are unpacked, too."""

    def __init__(self, file):
        self._file, self._left = file, _MOST

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`."""
        data = self._file.read(min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise FormatError(f"expected at most {_MOST:,} bytes of files, got more")
        return data


def _recordings(archive):
    for member in archive:
        folder, _, name = member.name.rpartition("/")
        if member.isfile() and name.endswith(".wav") and folder.rpartition("/")[2] == "recordings":
            yield name, read_wav(name, archive.extractfile(member).read())
