# SPDX-License-Identifier: MIT
"""Log-mel features of a recording: a picture of fixed size of a spoken word, simple enough for a microcontroller.

The steps, for samples at 8 kHz:
1. Hann windows of 256 samples (32 ms) are taken every 80 samples (10 ms); an FFT gives their power spectrum.
2. The power is summed in 16 triangular bands, equally wide on the mel scale from 100 to 4000 Hz; take its logarithm.
3. The windows are averaged into 16 equally long pieces, so that slow and fast speech fill the same 16 x 16 picture.
4. The picture is scaled to mean 0 and variance 1, which removes loudness and gain without using other recordings.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

WINDOW, HOP, BANDS, PIECES = 256, 80, 16, 16
_LOWEST, _HIGHEST, _RATE = 100.0, 4000.0, 8000
_SILENCE = 1e-6
"""Power added to each band, for samples in [-1, 1): less than the noise of a 16-bit recording in a room."""


def log_mel(samples) -> np.ndarray:
    """Return the features (256,) float32 of samples (n,) int16: piece after piece, bands ascending.

    A recording shorter than one window is padded with zeros. Silence gives zeros.

    >>> tone = (8000 * np.sin(2 * np.pi * 1000 / 8000 * np.arange(4000))).astype(np.int16)
    >>> picture = log_mel(tone).reshape(16, 16)
    >>> set(picture.argmax(axis=1).tolist())  # the band around 1000 Hz, in every piece
    {6}
    """
    wave = np.asarray(samples, np.float64) / 32768
    wave = np.pad(wave, (0, max(0, WINDOW - len(wave))))
    windows = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW + 1)[:WINDOW], axis=1)) ** 2
    pieces = _average(np.log(power @ _bands() + _SILENCE), PIECES)
    spread = pieces.std()
    return ((pieces - pieces.mean()) / (spread if spread > 1e-6 else 1.0)).astype(np.float32).reshape(-1)


@lru_cache(maxsize=1)
def _bands() -> np.ndarray:
    """Return the weights (129 frequencies, bands) of triangles whose corners are equally spaced on the mel scale."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST, _HIGHEST))
    corners = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(WINDOW, 1 / _RATE)[:, None]
    rising = (frequency - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - frequency) / (corners[2:] - corners[1:-1])
    return np.maximum(0, np.minimum(rising, falling))


def _average(rows, pieces: int) -> np.ndarray:
    """Return means (pieces, bands) over equal pieces of rows (n, bands); a row on a border counts in both by share."""
    sums = np.vstack([np.zeros(rows.shape[1]), np.cumsum(rows, axis=0)])
    edges = np.linspace(0, len(rows), pieces + 1)
    whole = np.minimum(edges.astype(int), len(rows) - 1)
    at_edges = sums[whole] + (edges - whole)[:, None] * rows[whole]
    return np.diff(at_edges, axis=0) * (pieces / len(rows))
