"""Weight files for the judges of frames and pairs of frames, written once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from nova_eval.judges.amt_network import AMT
from nova_eval.judges.musiq import MUSIQ

from networks import drawn, tiny_clip, write_torchscript  # isort: skip


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="session")
def clip_file(folder: Path) -> Path:
    return write_torchscript(tiny_clip(), folder / "ViT-B-32.pt")


@pytest.fixture(scope="session")
def aesthetic_files(folder: Path) -> dict[str, Path]:
    weights = write_torchscript(tiny_clip(out=768, text=False), folder / "ViT-L-14.pt")
    torch.save(drawn(torch.nn.Linear(768, 1)), folder / "head.pth")
    return {"weights": weights, "head": folder / "head.pth"}


@pytest.fixture(scope="session")
def dino_file(folder: Path) -> Path:
    from timm.models.vision_transformer import VisionTransformer

    torch.save(drawn(VisionTransformer(num_classes=0)), folder / "dino.pth")
    return folder / "dino.pth"


@pytest.fixture(scope="session")
def musiq_file(folder: Path) -> Path:
    torch.save(drawn(MUSIQ()), folder / "musiq.pth")
    return folder / "musiq.pth"


@pytest.fixture(scope="session")
def raft_file(folder: Path) -> Path:
    """In torchvision's layout; the official one is what the recorded cases are in."""
    from torchvision.models.optical_flow import raft_large

    state = drawn(raft_large(weights=None))
    for name in state:
        if "flow_head.conv2" in name:
            state[name] *= 0.1  # keeps the flow within the frame
    torch.save(state, folder / "raft.pth")
    return folder / "raft.pth"


@pytest.fixture(scope="session")
def amt_file(folder: Path) -> Path:
    state = drawn(AMT())
    torch.save({"state_dict": {name: tensor * 0.5 for name, tensor in state.items()}}, folder / "amt.pth")
    return folder / "amt.pth"
