# SPDX-License-Identifier: MIT
"""`bpfree export packages`: the archives, and what is said of them."""

import json
import zipfile

from command_line import run


def test_the_archives_are_written_and_told(tmp_path):
    told = json.loads(run("export", "packages", str(tmp_path / "new"), "--json", "-").stdout)
    assert sorted(told["files"]) == sorted(path.name for path in (tmp_path / "new").iterdir())
    for name in told["files"]:
        assert zipfile.ZipFile(tmp_path / "new" / name).testzip() is None
        assert name in run("export", "packages", str(tmp_path / "new")).stdout


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("export", "packages", str(tmp_path / "file"))
    assert done.exit_code == 2 and "is a file" in done.stderr
