"""`bpfree` called from a test: in this process, for its JSON document, or interrupted by a signal."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from click.testing import CliRunner

from bpfree.cli import main
from bpfree.datasets import load_digits

DIGITS = load_digits()


def run(*arguments, **settings):
    """Invoke the command line; an exception that reaches it is a bug."""
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False, **settings)


def document(*arguments, code=0):
    result = run("train", *arguments, "--json", "-")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def interrupted(count, *arguments, number=signal.SIGINT):
    program = [sys.executable, "-m", "bpfree", "train", "digits", "--epochs", "100000", *arguments]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(4)]  # the description of the run
    assert "run " in lines[-1]
    kept = [Path(later) for name, later in zip(arguments, arguments[1:]) if name == "--checkpoint"]
    while not all(path.exists() for path in kept) and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)
    for _ in range(count):
        process.send_signal(number)
        time.sleep(0.2)
    out, err = process.communicate(timeout=60)
    return process.returncode, "".join(lines) + out, err
