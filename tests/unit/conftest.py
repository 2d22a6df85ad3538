"""Small NOVA checkpoints in the official form, written once a session."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def video_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from nova_checkpoints import VIDEO, VIDEO_VAE, write_checkpoint

    return write_checkpoint(tmp_path_factory.mktemp("nova-video"), VIDEO, VIDEO_VAE)


@pytest.fixture(scope="session")
def image_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from nova_checkpoints import IMAGE, IMAGE_VAE, write_checkpoint

    return write_checkpoint(tmp_path_factory.mktemp("nova-image"), IMAGE, IMAGE_VAE)
