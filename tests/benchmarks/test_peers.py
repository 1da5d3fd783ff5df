from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import peers

if TYPE_CHECKING:
    from pathlib import Path


def test_an_interpreter_without_the_peer_is_an_error_that_says_how_to_install_it() -> None:
    with pytest.raises(peers.PeerError, match=r"stackone-defender\[onnx\]==0\.9\.4"):
        peers.Peer(sys.executable)


def test_a_missing_interpreter_is_named(tmp_path: Path) -> None:
    with pytest.raises(peers.PeerError, match="cannot start"):
        peers.Peer(tmp_path / "python")


def test_the_server_side_needs_the_standard_library_only() -> None:
    code = f"import runpy; runpy.run_path({peers.__file__!r}); import sys; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_resident_memory_grows_with_what_is_held() -> None:
    code = (  # in a process of its own: one that gave memory back fills that first
        f"import runpy; resident = runpy.run_path({peers.__file__!r})['resident_bytes']; before = resident(); "
        "held = bytearray(b'x') * (64 << 20); print(resident() - before > 32 << 20, len(held) == 64 << 20)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
