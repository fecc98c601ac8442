"""What the archives hold, and that their manifests say so."""

import fnmatch
import json
import os
import re
import tomllib
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import packaged
import pytest
from packaged import RUNTIME, trained_with

from bpfree.exporters import packages
from bpfree.exporters.runtime import listed_sources
from bpfree.generate.packages import options

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CATEGORIES = {
    "Communication", "Data Processing", "Data Storage", "Device Control", "Display", "Other", "Sensors",
    "Signal Input/Output", "Timing",
}  # fmt: skip
"""Categories that the specification of Arduino libraries knows."""

QUICK = ("-std=gnu17", "-O1")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The folder of each archive, by what follows the version in its name, or its suffix."""
    found = {}
    for path in packages.export(tmp_path_factory.mktemp("archives")):
        name = path.stem.partition(VERSION)[2] or path.suffix
        found[name] = path.with_suffix(f"{path.suffix}.d")
        with zipfile.ZipFile(path) as archive:
            archive.extractall(found[name])
    return found


def device_sources():
    """Names of the files of a device, found in src/ without the list's help but for what is for a computer."""
    return {path.name for path in (RUNTIME / "src").glob("*.c")} - set(listed_sources()["host"])


def test_equal_sources_make_equal_bytes(tmp_path):
    first = packages.export(tmp_path / "first")
    for path in (RUNTIME / "src").glob("*.c"):
        os.utime(path)
    second = packages.export(tmp_path / "second")
    assert [path.name for path in first] == [
        f"bpfree-{VERSION}.zip", f"bpfree-{VERSION}-arduino.zip", f"bpfree.bpfree.{VERSION}.pack"
    ]  # fmt: skip
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_what_comes_along(unpacked):
    for folder in unpacked.values():
        root = folder / "bpfree" if (folder / "bpfree").exists() else folder
        assert (root / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
        assert not [path for path in root.rglob("*") if {"tests", "ports", "__pycache__"} & set(path.parts)]
    assert {path.name for path in (unpacked["-arduino"] / "bpfree/src").glob("*.c")} == device_sources()
    assert {path.name for path in (unpacked[".pack"] / "src").glob("*.c")} == device_sources()


def test_library_properties(unpacked):
    """The fields and rules of the specification of Arduino libraries: what arduino-lint would look at."""
    root = unpacked["-arduino"] / "bpfree"
    fields = dict(line.split("=", 1) for line in (root / "library.properties").read_text().splitlines())
    wanted = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert wanted <= set(fields)
    assert all(fields[name] for name in wanted - {"url"})
    assert re.fullmatch(r"[A-Za-z0-9][\w .-]{0,62}", fields["name"]) and fields["version"] == VERSION
    assert fields["category"] in CATEGORIES and fields["license"] == "MIT"
    assert (root / "src" / fields["includes"]).is_file()
    assert [path.parent.name for path in root.glob("examples/*/*.ino")] == ["Train"]
    assert not [path for path in root.rglob("*") if path.is_symlink() or path.suffix in (".exe", ".o")]
    for line in (root / "keywords.txt").read_text().splitlines()[1:]:
        assert re.fullmatch(r"bpfree_\w+\tKEYWORD[12]", line), line
    assert "bpfree_step\tKEYWORD2" in (root / "keywords.txt").read_text()


def test_library_json(unpacked):
    root = unpacked[".zip"] / "bpfree"
    manifest = json.loads((root / "library.json").read_text())
    assert (manifest["name"], manifest["version"], manifest["license"]) == ("bpfree", VERSION, "MIT")
    assert (root / manifest["build"]["includeDir"] / manifest["headers"]).is_file()
    assert all(re.fullmatch(r"[a-z\d\-_+. ]{1,50}", word) for word in manifest["keywords"])
    assert {path.name for path in filtered(root, manifest["build"])} == device_sources()


def filtered(root, build):
    """Sources that PlatformIO compiles: its filter adds and takes away, in order."""
    chosen = set()
    for rule in build["srcFilter"]:
        sign, pattern = re.fullmatch(r"([+-])<(.+)>", rule).groups()
        found = {path for path in (root / build["srcDir"]).iterdir() if fnmatch.fnmatch(path.name, pattern)}
        chosen = chosen | found if sign == "+" else chosen - found
    return sorted(chosen)


def test_platformio_sources_train(unpacked, tmp_path):
    root = unpacked[".zip"] / "bpfree"
    build = json.loads((root / "library.json").read_text())["build"]
    printed = trained_with(tmp_path, filtered(root, build), root / build["includeDir"], *QUICK)
    assert printed == f"theta {packaged.EXPECTED}"


def described(root):
    """(attributes, files by category) of each component of the pack."""
    package = ElementTree.parse(root / "bpfree.bpfree.pdsc").getroot()
    for component in package.iter("component"):
        files = [(file.get("category"), file.get("name")) for file in component.iter("file")]
        yield component.attrib, files


def test_pack(unpacked):
    """The elements that PACK.xsd wants, and that every file named is there and every source named once."""
    root = unpacked[".pack"]
    package = ElementTree.parse(root / "bpfree.bpfree.pdsc").getroot()
    assert package.tag == "package" and re.fullmatch(r"\d+\.\d+\.\d+", package.get("schemaVersion"))
    assert all(package.findtext(name) for name in ("vendor", "name", "description", "license"))
    assert package.find("url") is not None and (root / package.findtext("license")).is_file()
    assert package.find("releases/release").get("version") == VERSION
    conditions = {condition.get("id") for condition in package.iter("condition")}
    sources = []
    for attributes, files in described(root):
        assert {"Cclass", "Cgroup", "Csub", "Cversion"} <= set(attributes) and attributes["Cversion"] == VERSION
        assert attributes.get("condition") in {None, *conditions}
        assert all((root / name).is_dir() if name.endswith("/") else (root / name).is_file() for _, name in files)
        sources += [name for category, name in files if category == "source"]
    assert sorted(sources) == sorted(f"src/{name}" for name in device_sources())


def test_the_pack_trains(unpacked, tmp_path):
    root = unpacked[".pack"]
    files = [file for attributes, files in described(root) if attributes["Csub"] == "Training" for file in files]
    sources = [root / name for category, name in files if category == "source"]
    assert trained_with(tmp_path, sources, root / "include", *QUICK) == f"theta {packaged.EXPECTED}"


def test_options():
    """Every option that can leave code out is offered, with its reason."""
    lines = (RUNTIME / "include/bpfree/config.h").read_text().splitlines()
    switches = {line.split()[1] for line in lines if re.fullmatch(r"#define BPFREE_\w+ [01]", line)}
    assert {name for name, _, _ in options()} == switches - {"BPFREE_LANES", "BPFREE_ALIGN"}
    assert all(default in (0, 1) and len(reason) > 20 and "*" not in reason for _, default, reason in options())
