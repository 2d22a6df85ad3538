"""Interface: what the README shows of the generator works as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_eval import media

ROOT = Path(__file__).resolve().parents[2]


def test_load_sample_and_save_as_the_readme_does(
    video_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = next(block for block in _blocks() if "NovaPipeline.from_pretrained" in block)
    for asked, small in {
        "BAAI/nova-d48w1024-osp480": str(video_checkpoint),
        'device="cuda", dtype="bfloat16"': 'device="cpu", dtype="float32"',
        "latent_frames=9, ar_steps=128, diffusion_steps=100": "latent_frames=2, ar_steps=4, diffusion_steps=2",
    }.items():
        assert asked in code
        code = code.replace(asked, small)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})  # the reader's own five lines
    clip = media.read(tmp_path / "cat.mp4")
    assert clip.frames.shape == (5, 32, 64, 3)
    assert clip.fps == 12


def _blocks() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [part.partition("```")[0] for part in text.split("```python\n")[1:]]
