# SPDX-License-Identifier: MIT
"""`python -m bpfree`: the command line, where no script `bpfree` is on the path."""

from bpfree.cli import main

if __name__ == "__main__":
    main(prog_name="bpfree")
