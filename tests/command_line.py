"""The command `packshot`: in this process, which saves the seconds of a start, or in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from packshot.cli import main
from packshot.lexicon import set_own_kinds
from packshot.safety import use

Done = subprocess.CompletedProcess[str]


def packshot(*arguments: object) -> Done:
    """Run the command here, knowing the shipped kinds and no guard of before, as a fresh process; bugs are raised."""
    out, err = io.StringIO(), io.StringIO()
    set_own_kinds({})
    try:
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["packshot", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                main()
    finally:
        set_own_kinds({})
        use(None)
    return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), out.getvalue(), err.getvalue())


def packshot_process(*arguments: object, cwd: Path | None = None) -> Done:
    """Run the command as a person does, in a process of its own where warnings are errors."""
    command = [sys.executable, "-m", "packshot", *map(str, arguments)]
    environment = dict(os.environ, PYTHONWARNINGS="error")
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)
