"""The guard against large files in the repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

GUARD = Path(__file__).resolve().parents[1] / ".ci" / "large-files"
MINI = "nova_eval/nova/mini/vae/diffusion_pytorch_model.safetensors"


@pytest.fixture
def guarded(tmp_path: Path) -> Path:
    """A repository of its own with the guard in it."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    (tmp_path / ".ci").mkdir()
    shutil.copy(GUARD, tmp_path / ".ci")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "size", "fine"),
    [("a b.bin", 500_000, True), ("a b.bin", 500_001, False), (MINI, 500_001, True), ("b/" + MINI, 500_001, False)],
)
def test_a_file_above_the_limit_is_named(guarded: Path, name: str, size: int, fine: bool) -> None:
    file = guarded / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    subprocess.run(["git", "-C", str(guarded), "add", "--all"], check=True)
    done = subprocess.run([guarded / ".ci" / "large-files"], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is fine
    assert (f"{size} bytes" in done.stdout) is not fine
