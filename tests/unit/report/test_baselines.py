"""Published rows: what is loaded is what was printed, and what contradicts itself is found."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nova_eval.adapters import load_benchmark
from nova_eval.errors import NovaEvalError, UsageError
from nova_eval.report.baselines import contradictions, load_baselines, recompute, select_baselines
from nova_eval.report.numbers import published_numbers

PUBLISHED = Path(__file__).resolve().parents[3] / "benchmarks" / "vbench" / "baselines.csv"
HEADER = "model,sharp,steady,color,quality,semantic,total,rewriter,source,verified\n"


@pytest.fixture(scope="module")
def vbench():
    return load_benchmark("vbench").config


@pytest.fixture(scope="module")
def rows(vbench):
    return load_baselines(PUBLISHED, vbench)


class TestVBench:
    def test_all_rows_with_unique_names_and_sources(self, rows):
        assert len(rows) == 68
        assert len({row.model for row in rows}) == 68
        assert [row.model for row in rows if not row.verified] == [
            "VideoCrafter-1.0 (totals only)",
            "Wan2.1-T2V-14B (unverified)",
        ]
        assert all(row.source == "unverified" for row in rows if not row.verified)

    def test_nova_as_printed(self, rows):
        nova, rewriter = rows[0], rows[1]
        assert [str(nova.values[name]) for name in ("total", "quality", "semantic")] == ["78.48", "78.96", "76.57"]
        assert [str(rewriter.values[name]) for name in ("total", "quality", "semantic")] == ["80.12", "80.39", "79.05"]
        assert (nova.rewritten, rewriter.rewritten, nova.samples_per_prompt) == (False, True, "5")
        assert len([name for name in nova.values if name not in ("total", "quality", "semantic")]) == 6

    def test_the_rows_that_contradict_their_own_formula(self, rows, vbench):
        found = [
            (c.model, c.name, str(c.printed), round(c.recomputed, 2), c.basis)
            for row in rows
            for c in contradictions(row, vbench)
        ]
        assert found == [
            ("FlashVideo (8fps)", "semantic", "82.10", 82.20, "dimensions"),
            ("Open-Sora 2.0", "total", "84.34", 84.46, "printed quality and semantic"),
        ]

    def test_every_other_composite_follows_from_its_dimensions(self, rows, vbench):
        distances = [
            abs(score - float(row.values[name]))
            for row in rows
            for name, score in recompute(row, vbench).items()
            if name in row.values and (row.model, name) != ("FlashVideo (8fps)", "semantic")
        ]
        assert len(distances) == 113
        assert sum(distance > 0.02 for distance in distances) == 1  # Allegro's semantic score, off by 0.049
        assert max(distances) < 0.05

    def test_composites_that_no_source_prints_can_be_had(self, rows, vbench):
        (row,) = select_baselines(rows, ["VideoCrafter-1.0"])
        assert {name: round(score, 2) for name, score in recompute(row, vbench).items()} == {
            "quality": 81.59,
            "semantic": 72.22,
            "total": 79.72,
        }

    def test_numbers_equal_the_collection_they_come_from(self, baselines):
        with (
            PUBLISHED.open(encoding="utf-8", newline="") as ours,
            (baselines / "vbench.csv").open(encoding="utf-8", newline="") as theirs,
        ):
            pairs = list(zip(csv.DictReader(ours), csv.DictReader(theirs), strict=True))
        same = [name for name in pairs[0][1] if name not in ("model", "source")]
        assert len(same) == 23
        learnt = {"HunyuanVideo", "CogVideoX-2B (prompt-optimised leaderboard entry)"}  # that prompts were rewritten
        for own, other in pairs:
            given = {name: other[name] for name in same} | ({"rewriter": "yes"} if own["model"] in learnt else {})
            assert {name: own[name] for name in same} == given
        assert [own["model"] for own, other in pairs if own["model"] != other["model"]] == [
            "Wan2.1-T2V-14B (unverified)"
        ]

    def test_rows_of_clips_that_vbench_long_scores_say_so(self, rows, vbench):
        long = {row.model for row in rows if "VBench-Long" in row.protocol}
        assert {"HunyuanVideo", "Gen-3 Alpha", "Kling (2024-07)", "Mira", "Open-Sora v1.1"} <= long
        (row,) = select_baselines(rows, ["HunyuanVideo"])
        found = published_numbers(row, None, vbench)
        assert found.differs == ("rewritten prompts", "VBench-Long")
        assert found.marks == "†"


class TestLoading:
    def _load(self, tmp_path, text, config):
        path = tmp_path / "baselines.csv"
        path.write_text(text, encoding="utf-8")
        return load_baselines(path, config)

    def test_empty_cells_are_absent_and_digits_stay(self, tmp_path, config):
        (row,) = self._load(tmp_path, HEADER + '"A, b",50.10,,,,,81.4,,"T, 1",yes\n', config)
        assert row.model == "A, b"
        assert {name: str(value) for name, value in row.values.items()} == {"sharp": "50.10", "total": "81.4"}
        assert row.rewritten is None

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("A,x,,,,,,,T,yes", "line 2: sharp is 'x'; write a number, or leave the cell empty"),
            ("A,nan,,,,,,,T,yes", "line 2: sharp is 'nan'"),
            ("A,101,,,,,,,T,yes", "line 2: sharp is 101; this file is in percent, at most 100"),
            ("A,1,,,,,,maybe,T,yes", "line 2: rewriter is 'maybe'; write yes, no"),
            ("A,1,,,,,,,,yes", "line 2: source is empty"),
            (",1,,,,,,,T,yes", "line 2: model is empty"),
            ("A,1,yes", "line 2: 3 cells, the header has 10"),
            ("A,1,,,,,,,T,yes\nA,2,,,,,,,T,yes", "line 3 repeats the model 'A'"),
            ('"A,1,,,,,,,T,yes', "not a row of CSV"),
        ],
    )
    def test_a_bad_line_is_one_clear_line(self, tmp_path, config, line, message):
        with pytest.raises(UsageError) as caught:
            self._load(tmp_path, HEADER + line + "\n", config)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("model,sharpe,source,verified\n", "did you mean 'sharp'"),
            ("model,sharp,source\n", "has no column 'verified'"),
            ("model,source,verified,model\n", "two columns 'model'"),
            ("", "is empty"),
        ],
    )
    def test_a_bad_header_too(self, tmp_path, config, header, message):
        with pytest.raises(UsageError, match=message):
            self._load(tmp_path, header, config)

    def test_a_missing_file(self, tmp_path, config):
        with pytest.raises(UsageError, match=r"no such file: .*nothing"):
            load_baselines(tmp_path / "nothing.csv", config)

    def test_choosing_rows_keeps_the_order_asked_for(self, rows):
        assert [r.model for r in select_baselines(rows, ["Sora", "NOVA"])] == ["Sora", "NOVA"]
        with pytest.raises(NovaEvalError, match="unknown baseline 'Soraa'; did you mean 'Sora'"):
            select_baselines(rows, ["Soraa"])
