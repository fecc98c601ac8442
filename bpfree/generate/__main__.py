# SPDX-License-Identifier: MIT
"""`python -m bpfree.generate` (or `make generate`): write the generated files that changed."""

from __future__ import annotations

import sys

from bpfree.generate import generated_files
from bpfree.generate.sections import ROOT


def main() -> int:
    """Write the files that changed."""
    for name, text in generated_files().items():
        path = ROOT / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
