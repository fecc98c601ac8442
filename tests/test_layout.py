"""Files stay small, one idea each."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("bpfree", "exporters", "runtime_c", "tests", "examples", "docs")
MOST = 400


def hand_written():
    """Paths of sources that people write; generated ones are named *.gen.*."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".c", ".h") and ".gen." not in path.name and "build" not in path.parts:
                yield path


def test_no_file_is_longer_than_people_read():
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_bytes().splitlines()) for path in hand_written()}
    assert len(lengths) > 400 and {name: n for name, n in lengths.items() if n > MOST} == {}
