# SPDX-License-Identifier: MIT
"""`python -m bpfree.generate` (or `make generate`): write the generated files that changed."""

from __future__ import annotations

import sys
from pathlib import Path

from bpfree.generate import generated_files


def main() -> int:
    """Write the files that changed."""
    root = Path(__file__).resolve().parents[2] / "runtime_c"
    for name, text in generated_files().items():
        path = root / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(root.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
