"""Training curves: few points, true means, one figure."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from recipes.nova_mini.curves import draw_curves, thinned


def rows(stage: str, losses: list[float]) -> list[dict[str, object]]:
    return [{"stage": stage, "step": i, "loss": loss} for i, loss in enumerate(losses)]


def test_a_thinned_row_is_the_mean_of_its_steps_and_carries_the_last_number() -> None:
    kept = thinned([*rows("a", [1.0, 2.0, 3.0, 6.0, 5.0]), *rows("b", [7.0])], every=2)
    assert kept == [
        {"stage": "a", "step": 1, "loss": 1.5},
        {"stage": "a", "step": 3, "loss": 4.5},
        {"stage": "a", "step": 4, "loss": 5.0},
        {"stage": "b", "step": 0, "loss": 7.0},
    ]


def test_the_figure_has_a_panel_for_the_autoencoder_and_for_each_part(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write(tmp_path / "losses.csv", [{"part": name, "step": i, "loss": 1 / (i + 1)} for name in "xy" for i in range(5)])
    write(tmp_path / "vae_curve.csv", [{"part": "vae", "step": i, "psnr": 20 + i} for i in range(5)])
    path = draw_curves(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert [f'<g id="axes_{n}">' in text for n in (1, 2, 3, 4)] == [True, True, True, False]
    again = text
    assert draw_curves(tmp_path).read_text(encoding="utf-8") == again


def write(path: Path, content: list[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(content[0]))
        writer.writeheader()
        writer.writerows(content)
