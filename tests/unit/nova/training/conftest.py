from __future__ import annotations

from pathlib import Path

import pytest
from training_runs import make_material, make_parts


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with parts and material, shared by runs that write elsewhere."""
    folder = tmp_path_factory.mktemp("training")
    make_parts(folder / "parts")
    make_material(folder / "material")
    return folder
