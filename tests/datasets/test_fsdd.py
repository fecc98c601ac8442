"""Spoken digits: the packer on wav files made by the test, splits, features, and the real set."""

import gzip
import io
import tracemalloc

import numpy as np
import pytest
from fake_data import put, tar, wav
from scipy.signal import get_window, stft

from bpfree import datasets
from bpfree.datasets import fsdd, log_mel
from bpfree.datasets.wav import pack, pack_archive, read_wav
from bpfree.errors import DataMissingError, FormatError

SPEAKERS = ("ann", "bob", "eve")
TAKES = 12


def members():
    """Return the name and samples of each recording, 1 to 400 samples long, in random order."""
    draw = np.random.default_rng(0)
    names = [f"{digit}_{who}_{take}.wav" for digit in range(10) for who in SPEAKERS for take in range(TAKES)]
    return [(name, draw.integers(-(2**15), 2**15, draw.integers(1, 400))) for name in draw.permutation(names).tolist()]


MEMBERS = members()


def archive_at(path, folder="set-1/recordings"):
    others = [("set-1/README.md", b"text"), ("set-1/utils/0_ann_0.wav", b"not one of them")]
    return tar(path, others + [(f"{folder}/{name}", wav(samples)) for name, samples in MEMBERS])


def test_packed_as_written(tmp_path):
    arrays = pack_archive(archive_at(tmp_path / "a.tar.gz"))
    written, n = dict(MEMBERS), 10 * len(SPEAKERS) * TAKES
    assert arrays["offset"].shape == (n + 1,) and arrays["offset"].dtype == np.int64
    assert {arrays[name].dtype for name in ("digit", "speaker", "take")} == {np.dtype(np.uint8)}
    assert arrays["speaker_names"].tolist() == list(SPEAKERS)
    expected = [(digit, who, take) for digit in range(10) for who in range(3) for take in range(TAKES)]
    assert list(zip(*(arrays[name].tolist() for name in ("digit", "speaker", "take")))) == expected
    for k, (digit, who, take) in enumerate(expected):
        samples = arrays["audio"][arrays["offset"][k] : arrays["offset"][k + 1]]
        assert samples.dtype == np.int16 and np.array_equal(samples, written[f"{digit}_{SPEAKERS[who]}_{take}.wav"])


GOOD = wav([1, -2, 3])
BAD_WAVS = {
    "not wav": (b"RIFX", "not a wav file"),
    "empty": (b"", "not a wav file"),
    "stereo": (wav([1, 2], channels=2), r"expected 1 channel, 2 bytes, 8000 Hz, got \(2, 2, 8000\)"),
    "16 kHz": (wav([1, 2], rate=16000), r"got \(1, 2, 16000\)"),
    "four bytes": (wav([1, 2], width=4), r"got \(1, 4, 8000\)"),
    "no samples": (wav([]), "at least one sample"),
    "compressed": (GOOD[:20] + b"\x55" + GOOD[21:], "not a wav file: unknown format"),
}


@pytest.mark.parametrize("kind", BAD_WAVS)
def test_wav_files_that_are_refused(kind, tmp_path):
    data, message = BAD_WAVS[kind]
    with pytest.raises(FormatError, match=f"^0_ann_0.wav: {message}|^0_ann_0.wav: .*{message}"):
        read_wav("0_ann_0.wav", data)
    with pytest.raises(FormatError, match=r"a.tar.gz: 0_ann_0.wav: "):
        pack_archive(tar(tmp_path / "a.tar.gz", [("x/recordings/0_ann_0.wav", data)]))


@pytest.mark.parametrize("cut", range(len(GOOD)))
def test_truncated_wav(cut):
    with pytest.raises(FormatError, match="^w: "):
        read_wav("w", GOOD[:cut])


def test_names_and_repetitions():
    assert pack([("0_ann_0.wav", np.array([1]))])["audio"].tolist() == [1]
    for name in ("a_ann_0.wav", "0_ann.wav", "10_ann_0.wav", "0_ann_0.mp3", "0_Ann_0.wav", "0_ann_100.wav"):
        with pytest.raises(FormatError, match="expected a name such as"):
            pack([(name, np.array([1]))])
    with pytest.raises(FormatError, match="0_ann_0.wav: expected one recording of this name, got two"):
        pack([("0_ann_0.wav", np.array([1]))] * 2)
    with pytest.raises(FormatError, match="expected wav files, got none"):
        pack([])


def test_archives_that_are_refused(tmp_path):
    path = archive_at(tmp_path / "a.tar.gz")
    whole = path.read_bytes()
    for data in (b"", b"<html>", whole[: len(whole) // 2], gzip.compress(b"text" * 1000)):
        path.write_bytes(data)
        with pytest.raises(FormatError, match="a.tar.gz: "):
            pack_archive(path)
    with pytest.raises(FileNotFoundError):
        pack_archive(tmp_path / "nothing")
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="expected at most 67,108,864 bytes of files"):
            pack_archive(tar(tmp_path / "bomb.tar.gz", [("x/readme", bytes(2**26 + 1))]))
    finally:
        tracemalloc.stop()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Make the loader read the small archive instead of the real one, as "archive" or as "packed"."""
    arrays = pack_archive(archive_at(tmp_path / "a.tar.gz"))
    monkeypatch.setenv("BPFREE_DATA", str(tmp_path))
    monkeypatch.setattr(fsdd, "CONTENTS", fsdd.digest(arrays))

    def install(form):
        if form == "archive":
            put(tmp_path, "fsdd", {fsdd.ARCHIVE.name: (tmp_path / "a.tar.gz").read_bytes()})
        else:
            out = io.BytesIO()
            np.savez_compressed(out, **arrays)
            source = put(tmp_path, "fsdd", {"fsdd.npz": out.getvalue()})
            monkeypatch.setattr(fsdd, "PACKED", source.files[0])
        return arrays

    return install


@pytest.mark.parametrize("form", ["archive", "packed"])
def test_recordings(small, form):
    assert fsdd.missing() == [fsdd.ARCHIVE.name]
    arrays = small(form)
    assert fsdd.missing() == []
    recordings = datasets.load_recordings()
    assert len(recordings) == 360 and recordings.speaker_names == SPEAKERS and recordings.labels.dtype == np.int64
    assert np.array_equal(recordings.audio, arrays["audio"])
    assert np.array_equal(recordings.wave(7), dict(MEMBERS)["0_ann_7.wav"])


def test_other_recordings_are_refused(small, monkeypatch):
    small("archive")
    monkeypatch.setattr(fsdd, "CONTENTS", "f" * 64)
    with pytest.raises(FormatError, match=r"fsdd/free-spoken.*: expected recordings of sha256 f{64}, got \w{64}"):
        datasets.load_recordings()


def test_every_array_counts_in_the_digest(small):
    arrays = small("archive")
    digests = {fsdd.digest(arrays)}
    for name, array in arrays.items():
        changed = array.copy()
        changed[-1] = "x" if name == "speaker_names" else array[-1] ^ 1
        digests.add(fsdd.digest({**arrays, name: changed}))
    assert len(digests) == 1 + len(arrays)


def test_nowhere(small):
    with pytest.raises(DataMissingError, match=r"archive/26eb9aaf\w+\.tar\.gz"):
        datasets.load_fsdd()


def test_the_official_split_is_by_take(small):
    small("archive")
    recordings = datasets.load_recordings()
    train, validation, test = indices = recordings.official()
    assert sorted(np.concatenate(indices)) == list(range(360))
    assert set(recordings.take[test]) == set(range(5))
    assert set(recordings.take[validation]) == set(range(5, 10))
    assert set(recordings.take[train]) == {10, 11}
    x = recordings.features(progress=False)
    for part, rows in zip(datasets.load_fsdd(progress=False), indices, strict=True):
        assert np.array_equal(part.x, x[rows]) and np.array_equal(part.labels, recordings.labels[rows])
        assert np.array_equal(np.bincount(part.labels), [len(rows) // 10] * 10)


def test_leaving_a_speaker_out(small):
    small("archive")
    recordings = datasets.load_recordings()
    for number, name in enumerate(SPEAKERS):
        indices = recordings.without(name)
        assert sorted(np.concatenate(indices)) == list(range(360))
        assert set(recordings.speaker[indices.test]) == {number} and len(indices.test) == 120
        assert number not in recordings.speaker[np.concatenate(indices[:2])]
        assert set(recordings.take[indices.validation]) == set(range(5))
        held_out = datasets.load_fsdd("test", held_out=name, progress=False)
        assert np.array_equal(held_out.labels, recordings.labels[indices.test])
    with pytest.raises(ValueError, match="speaker: expected one of 'ann', 'bob', 'eve', got 'mallory'"):
        datasets.load_fsdd(held_out="mallory")


def reference_features(samples):
    """The four steps by other means: SciPy's short-time spectrum, triangles by interpolation, pieces by repetition."""
    wave = samples / 32768
    _, _, spectrum = stft(
        wave, nperseg=256, noverlap=176, window=get_window("hann", 256), boundary=None, padded=False, scaling="psd",
        fs=8000,
    )  # fmt: skip
    window = get_window("hann", 256)
    power = np.abs(spectrum.T) ** 2 * 8000 * (window**2).sum()  # undo SciPy's scaling
    edges = 700 * (10 ** (np.linspace(2595 * np.log10(1 + 100 / 700), 2595 * np.log10(1 + 4000 / 700), 18) / 2595) - 1)
    frequencies = np.arange(129) * 8000 / 256
    bands = np.stack([np.interp(frequencies, edges[b : b + 3], [0, 1, 0]) for b in range(16)], axis=1)
    rows = np.log(power @ bands + 1e-6)
    fine = np.repeat(rows, 16, axis=0)  # with every window repeated 16 times, a piece is a whole number of rows
    pieces = fine.reshape(16, len(rows), 16).mean(axis=1)
    return ((pieces - pieces.mean()) / pieces.std()).reshape(-1)


@pytest.mark.parametrize("n", [256, 336, 900, 1536, 4000, 8001])
def test_features_against_scipy(n):
    samples = (np.random.default_rng(n).normal(size=n) * 3000 * np.linspace(0, 1, n)).astype(np.int16)
    assert np.abs(log_mel(samples) - reference_features(samples)).max() < 1e-5


def test_features_do_not_depend_on_loudness_and_silence_is_finite():
    samples = (np.random.default_rng(0).normal(size=3000) * 2000).astype(np.int16)
    assert np.abs(log_mel(samples * np.int16(4)) - log_mel(samples)).max() < 0.02
    assert np.array_equal(log_mel(np.zeros(500, np.int16)), np.zeros(256, np.float32))
    assert np.isfinite(log_mel(np.ones(1, np.int16))).all() and log_mel(samples[:100]).shape == (256,)
    assert log_mel(samples).dtype == np.float32


@pytest.mark.data("fsdd")
def test_real_recordings():
    recordings = datasets.load_recordings()
    assert recordings.audio.shape == (10498424,) and len(recordings) == 3000
    assert recordings.speaker_names == ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
    assert np.bincount(recordings.labels).tolist() == [300] * 10
    assert np.bincount(recordings.speaker).tolist() == [500] * 6
    seconds = np.diff(recordings.offset) / 8000
    assert round(seconds.min(), 2) == 0.14 and round(seconds.max(), 2) == 2.28 and round(np.median(seconds), 2) == 0.42
    assert [len(rows) for rows in recordings.official()] == [2400, 300, 300]
    assert [len(rows) for rows in recordings.without("theo")] == [2250, 250, 500]


@pytest.mark.data("fsdd")
def test_a_linear_model_learns_the_features():
    from bpfree import Linear, Sequential
    from bpfree.study.floors import random_features_floor

    train, validation, _ = datasets.load_fsdd(progress=False)
    ridge = random_features_floor(Sequential(256, [Linear(10)]), train, validation, ridge=1e-2)
    assert ridge.accuracy > 0.8, "ten words of known speakers, from a picture of each"
