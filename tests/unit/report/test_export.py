"""Files appear whole, equal runs give equal files, and the summary is JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from pydantic import ValidationError

from nova_eval.adapters import load_benchmark
from nova_eval.config import BenchmarkConfig
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.report.export import to_json, write_latency, write_tables

TABLES = {f"{name}.{ending}" for name in ("table", "comparison") for ending in ("md", "csv", "tex")}


class TestFiles:
    def test_all_formats_and_no_leftovers(self, tmp_path, summary, published):
        paths = write_tables(summary, published, tmp_path / "tables")
        assert {path.name for path in paths} == TABLES
        assert {path.name for path in (tmp_path / "tables").iterdir()} == TABLES

    def test_equal_runs_give_equal_bytes_however_long_they_took(self, tmp_path, summary, published):
        write_tables(summary, published, tmp_path / "a")
        write_tables(replace(summary, latency=None), published, tmp_path / "b")
        for name in TABLES:
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()

    def test_latency_is_a_page_of_its_own(self, tmp_path, summary, published):
        (page,) = write_latency(summary, published, tmp_path)
        assert page.name == "latency.md"
        assert "one A100" in page.read_text(encoding="utf-8")

    def test_an_old_table_stays_whole_when_the_new_one_cannot_be_put_in_place(
        self, tmp_path, summary, published, monkeypatch
    ):
        write_tables(summary, published, tmp_path)
        before = (tmp_path / "table.md").read_bytes()

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.replace", full)
        with pytest.raises(PrerequisiteError, match=r"cannot write tables to .*No space left"):
            write_tables(replace(summary, model="other"), published, tmp_path)
        assert (tmp_path / "table.md").read_bytes() == before
        assert not list(tmp_path.glob(".*"))

    def test_a_closed_variant_writes_no_published_number(self, tmp_path, summary, published):
        write_tables(replace(summary, variant="sprites"), published, tmp_path)
        assert "Rewriter" not in "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())


class TestJson:
    def test_the_summary_survives_json_in_raw_units(self, summary):
        back = json.loads(json.dumps(to_json(summary), allow_nan=False))
        assert back["coverage"] == {
            "wanted": 24,
            "scored": 15,
            "excluded": 2,
            "unscored": 7,
            "fraction": 17 / 24,
            "missing": [
                {"metric": "steady", "count": 1, "reason": "out of memory"},
                {"metric": "color", "count": 6, "reason": "no weights | for 50 % of_it"},
            ],
        }
        assert back["metrics"][3] == {
            "name": "sharp",
            "value": 0.456789,
            "interval": [0.446789, 0.466789],
            "prompts": 4,
            "samples": 8,
            "unscored": 0,
            "excluded": 0,
            "higher_is_better": True,
            "reason": "",
        }
        assert back["metrics"][5]["value"] is None
        assert back["latency"] == {"seconds_per_sample": 12.3456, "frames_per_second": 2.75, "device": "one A100"}
        assert to_json(replace(summary, latency=None))["latency"] is None


class TestConfig:
    def test_vbench_as_its_file_says(self):
        config = load_benchmark("vbench").config
        assert len(config.dimensions) == 16
        assert config.metrics[-3:] == ("quality", "semantic", "total")
        assert dict(config.groups) == {"quality": 4, "semantic": 1}
        motion = config.dimensions["motion_smoothness"]
        assert (motion.minimum, motion.maximum, motion.weight) == (0.706, 0.9975, 1.0)
        assert config.official_samples == ("official",)
        assert not config.with_baselines("sprites")
        assert "rewritten" in config.variants

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"group": "other"}, "toy/benchmark.toml: dimension color is of group 'other'; [groups] has quality"),
            ({"minimum": 1.0}, "toy/benchmark.toml: dimension color has minimum 1.0, maximum 1.0"),
        ],
    )
    def test_a_dimension_that_cannot_be_composed_is_one_line(self, config, change, message):
        content = config.model_dump()
        content["dimensions"]["color"] |= change
        with pytest.raises(UsageError, match=re.escape(message)):
            BenchmarkConfig.model_validate(content)

    @pytest.mark.parametrize("variants", [{"official": {}}, {"official": 3}, {"official": None}, [1], "x"])
    def test_variants_that_are_none_are_named_by_their_field(self, config, variants):
        with pytest.raises(ValidationError, match="variants"):
            BenchmarkConfig.model_validate({**config.model_dump(), "variants": variants})


class TestStart:
    def test_tables_need_no_heavy_package(self):
        code = (
            "import sys, nova_eval.report.tables, nova_eval.report.comparison, nova_eval.report.formats, "
            "nova_eval.report.export, nova_eval.report.terminal; "
            "print(sorted({'torch', 'pandas', 'rich', 'scipy', 'numpy', 'pydantic'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"
