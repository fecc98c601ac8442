"""Files of the data sets, which are read before anybody knows what they are."""

import gzip
import io
import tarfile
import wave

from fuzzing import fuzz
from mutations import changed_bytes, pick

from bpfree.datasets.idx import parse_idx
from bpfree.datasets.wav import pack_archive, read_wav
from bpfree.errors import FormatError

IDX = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(12))


def wav(n: int) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * n))
    return stream.getvalue()


def tar(kind) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for name, n in (("x/recordings/1_ann_0.wav", 30), ("x/recordings/0_bob_3.wav", 5), ("x/readme", 9)):
            entry, data = tarfile.TarInfo(name), wav(n)
            entry.size, entry.pax_headers = len(data), {"comment": "é" * 30}
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def changed_gzip(r, data):
    """Changed before it was packed, or after."""
    if r.random() < 0.6:
        return gzip.compress(changed_bytes(r, data), 1)
    return changed_bytes(r, gzip.compress(data, 1))


def test_idx_files():
    fuzz(lambda r: changed_bytes(r, IDX) if r.random() < 0.5 else changed_gzip(r, IDX),
         lambda data: parse_idx("images", data, 3), FormatError, cases=2000)  # fmt: skip


def test_wav_files():
    fuzz(lambda r: changed_bytes(r, wav(30)), lambda data: read_wav("x.wav", data), FormatError, cases=2000)


def test_archives_of_wav_files(tmp_path):
    archives = [tar(tarfile.PAX_FORMAT), tar(tarfile.GNU_FORMAT), tar(tarfile.USTAR_FORMAT)]

    def read(data):
        (tmp_path / "case.tar.gz").write_bytes(data)
        pack_archive(tmp_path / "case.tar.gz")

    fuzz(lambda r: changed_gzip(r, pick(r, archives)), read, FormatError, cases=600)
