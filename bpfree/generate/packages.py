# SPDX-License-Identifier: MIT
"""The manifests by which frameworks know the runtime: from pyproject.toml, sources.txt and the headers."""

from __future__ import annotations

import json
import re
import tomllib
from xml.sax.saxutils import escape

from bpfree.exporters.runtime import listed_sources, runtime_folder
from bpfree.generate.sections import ROOT

_BY = "written by `make generate`"
_SENTENCE = "Trains neural networks with forward passes only, with the same bits on every processor."

_COMPONENTS = {
    "Training": (("core", "rows"), "Trains and predicts with forward passes only"),
    "Journal": (("journal",), "A log from which a run can be rebuilt"),
    "PDE": (("pde",), "Derivatives by forward passes, residuals of differential equations"),
}
"""(parts of sources.txt, what is said of them) of each component of the CMSIS pack."""


def package_files() -> dict[str, str]:
    """Return the text of every manifest, by its path below the checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = project["version"]
    return {
        "runtime_c/LICENSE": (ROOT / "LICENSE").read_text(),
        "runtime_c/include/bpfree/version.gen.h": _version_header(version),
        "runtime_c/library.json": _platformio(project),
        "runtime_c/idf_component.yml": _esp_idf(version),
        "runtime_c/zephyr/options.gen.kconfig": _kconfig(),
        "runtime_c/arduino/library.properties": _arduino(project),
        "runtime_c/arduino/keywords.txt": _keywords(),
        "runtime_c/cmsis/bpfree.bpfree.pdsc": _cmsis(version),
    }


def options() -> list[tuple[str, int, str]]:
    """Return (name, default, reason) of every option of config.h that leaves code out with 0.

    Options that follow one another without a comment between them have the reason of the first.
    """
    found, reason = [], ""
    for comment, name, default in re.findall(
        r"/\* ((?:[^*]|\*(?!/))*?) ?\*/|^#ifndef (\w+)\n#define \2 ([01])$", _header("config.h"), re.MULTILINE
    ):
        reason = _unwrapped(comment) or reason
        if name and name != "BPFREE_LANES":  # a number, which may be larger
            found.append((name, int(default), reason))
    return found


def _version_header(version: str) -> str:
    return f'/* The version in pyproject.toml, {_BY}. Do not edit. */\n#define BPFREE_VERSION "{version}"\n'


def _platformio(project: dict) -> str:
    """library.json, read where it lies: src/ without the files of a computer."""
    manifest = {
        "$schema": "https://raw.githubusercontent.com/platformio/platformio-core/develop/platformio/assets/schema/library.json",
        "name": "bpfree",
        "version": project["version"],
        "description": _SENTENCE,
        "keywords": ["machine learning", "training", "neural network", "zeroth-order", "tinyml"],
        "license": "MIT",
        "authors": [{"name": author["name"]} for author in project["authors"]],
        "frameworks": "*",
        "platforms": "*",
        "headers": "bpfree/bpfree.h",
        "build": {
            "includeDir": "include",
            "srcDir": "src",
            "srcFilter": ["+<*.c>", *(f"-<{name}>" for name in listed_sources()["host"])],
        },
        "export": {"exclude": ["arduino", "cmsis", "ports", "tests"]},
    }
    return json.dumps(manifest, indent=2) + "\n"


def _esp_idf(version: str) -> str:
    lines = [f"# {_BY.capitalize()}. Do not edit.", f'version: "{version}"', f'description: "{_SENTENCE}"']
    lines += ["license: MIT", "dependencies:", '  idf: ">=5.0"', "files:", "  exclude:"]
    return "\n".join([*lines, *(f'    - "{name}/**/*"' for name in ("arduino", "cmsis", "ports", "tests"))]) + "\n"


def _kconfig() -> str:
    """An option of Zephyr's Kconfig for each of config.h."""
    text = f"# The options of include/bpfree/config.h, {_BY}. Do not edit.\n"
    for name, default, reason in options():
        text += f'\nconfig {name}\n\tbool "{name}"\n\tdefault {"ny"[default]}\n\thelp\n\t  {reason}\n'
    return text


def _arduino(project: dict) -> str:
    rows = {
        "name": "bpfree",
        "version": project["version"],
        "author": ", ".join(author["name"] for author in project["authors"]),
        "maintainer": project["authors"][0]["name"],
        "sentence": _SENTENCE,
        "paragraph": "A model and its training settings are exported from Python; a sketch trains it on, in the memory "
        "that inference takes. The example trains on an Uno.",
        "category": "Data Processing",
        "url": "",
        "architectures": "*",
        "includes": "bpfree.h",
        "license": "MIT",
    }
    return "".join(f"{key}={value}\n" for key, value in rows.items())


def _keywords() -> str:
    """Types and functions of the public headers, for the editor's colours."""
    text = "".join(_header(path) for path in ("model.h", "rng.h", "train.h", "estimators.h", "journal.h", "pde.h"))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    types = sorted(set(re.findall(r"\}\s*(bpfree_\w+);", text)))
    functions = sorted(set(re.findall(r"^[\w ]+[ *](bpfree_\w+)\(", text, re.MULTILINE)) - {"bpfree_status"})
    rows = [f"{name}\tKEYWORD1" for name in types] + [f"{name}\tKEYWORD2" for name in functions]
    return "\n".join([f"# {_BY.capitalize()}. Do not edit.", *rows]) + "\n"


def _cmsis(version: str) -> str:
    """bpfree.bpfree.pdsc; its paths are those in the pack, where it lies beside include/ and src/."""
    components = ""
    for name, (parts, text) in _COMPONENTS.items():
        needs = "" if name == "Training" else ' condition="Training"'
        files = [path for part in parts for path in _expanded(part)]
        lines = ['        <file category="include" name="include/"/>']
        lines += [f'        <file category="source" language="c" name="src/{path}"/>' for path in files]
        attributes = f'Cclass="Machine Learning" Cgroup="bpfree" Csub="{name}" Cversion="{version}"'
        components += f"    <component {attributes}{needs}>\n      <description>{text}</description>\n      <files>\n"
        components += "\n".join(lines) + "\n      </files>\n    </component>\n"
    return f"""\
<?xml version="1.0" encoding="utf-8"?>
<!-- {_BY.capitalize()}. Do not edit. It has no server: install the pack from its file, and url stays empty. -->
<package schemaVersion="1.7.36">
  <vendor>bpfree</vendor>
  <name>bpfree</name>
  <description>{escape(_SENTENCE)}</description>
  <url></url>
  <license>LICENSE</license>
  <releases>
    <release version="{version}">See CHANGELOG.md</release>
  </releases>
  <conditions>
    <condition id="Training">
      <require Cclass="Machine Learning" Cgroup="bpfree" Csub="Training"/>
    </condition>
  </conditions>
  <components>
{components}  </components>
</package>
"""


def _expanded(part: str) -> list[str]:
    """Names of the files of a part of sources.txt."""
    source = runtime_folder() / "src"
    return [path.name for name in listed_sources()[part] for path in sorted(source.glob(name))]


def _header(name: str) -> str:
    return (ROOT / "runtime_c" / "include" / "bpfree" / name).read_text()


def _unwrapped(comment: str) -> str:
    """The text of a comment of several lines in one."""
    return " ".join(line.strip(" *") for line in comment.splitlines())
