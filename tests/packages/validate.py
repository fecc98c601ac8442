"""Checks the archives with the frameworks' own validators: `python validate.py ARCHIVES`. Not for pytest.

PlatformIO and ESP-IDF's component manager bring more packages than a development environment should hold, so
`make test-packages` installs them in one of their own.
"""

import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile

from platformio.package.manifest.parser import ManifestParserFactory
from platformio.package.manifest.schema import ManifestSchema


def main(archives):
    with tempfile.TemporaryDirectory() as folder:
        for path in archives.glob("bpfree-*.zip"):
            shutil.unpack_archive(path, pathlib.Path(folder) / path.stem)
        for component in pathlib.Path(folder).glob("*/bpfree"):
            platformio(component)
            if (component / "idf_component.yml").exists():
                esp_idf(component)


def platformio(folder):
    """library.json, or library.properties where there is none, against PlatformIO's schema."""
    ManifestSchema.load_spdx_licenses = staticmethod(lambda: {"licenses": [{"licenseId": "MIT"}]})  # a download
    path = next(folder / name for name in ("library.json", "library.properties") if (folder / name).exists())
    manifest = ManifestParserFactory.new_from_file(str(path)).as_dict()
    valid = ManifestSchema().load_manifest(dict(manifest))
    assert valid["name"] == "bpfree" and valid["license"] == "MIT", valid
    refused(lambda: ManifestSchema().load_manifest({**manifest, "version": "newest"}), "a version that is none")
    print(f"valid for PlatformIO: {path.name}")


def esp_idf(folder):
    """The component manager packs it, and what it packs has the sources."""
    compote = [pathlib.Path(sysconfig.get_path("scripts"), "compote"), "component", "pack", "--name", "bpfree"]
    subprocess.run(compote, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (packed,) = (folder / "dist").glob("bpfree_*.tgz")
    shutil.unpack_archive(packed, folder / "packed")
    for name in ("CMakeLists.txt", "sources.txt", "cmake/sources.cmake", "src/train.c", "include/bpfree/bpfree.h"):
        assert list((folder / "packed").glob(f"**/{name}")), f"not in the component: {name}"
    manifest = folder / "idf_component.yml"
    manifest.write_text(manifest.read_text().replace('version: "', 'version: "x'))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    refused(lambda: subprocess.run(compote, cwd=folder, check=True, **quiet), "a version that is none")
    print("packed by ESP-IDF's component manager: bpfree")


def refused(call, what):
    """Expect an error: a validator that takes anything shows nothing."""
    try:
        call()
    except Exception:
        return
    raise AssertionError(f"expected an error for {what}, got none")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
