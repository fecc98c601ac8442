"""Small files in the formats of the data sets, and sources that expect exactly these."""

import gzip
import hashlib
import io
import struct
import tarfile
import wave

import numpy as np

from bpfree.datasets.fetch import File, Source


def idx(array):
    """The bytes of an idx file of uint8."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def packed(array):
    """The same, gzip-compressed."""
    return gzip.compress(idx(array))


def npy(array):
    """The bytes of a .npy file."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def wav(samples, rate=8000, channels=1, width=2):
    """The bytes of a wav file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(np.asarray(samples, f"<i{width}").tobytes())
    return out.getvalue()


def tar(path, members):
    """A .tar.gz at path of (name, bytes) members."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members:
            row = tarfile.TarInfo(name)
            row.size = len(data)
            archive.addfile(row, io.BytesIO(data))
    return path


def put(folder, name, contents):
    """Write {file name: bytes} into folder/name; a Source that expects just these, published nowhere."""
    files = []
    for file, data in contents.items():
        path = folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        files.append(File(file, len(data), hashlib.sha256(data).hexdigest(), ()))
    return Source(name, tuple(files))
