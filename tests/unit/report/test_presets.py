"""Tables of papers: the printed numbers stand under the printed names, misprints are flagged, runs join them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from nova_eval import reading
from nova_eval.config import data_folder
from nova_eval.errors import UsageError
from nova_eval.records import Coverage, Metric, RunSummary
from nova_eval.report.formats import FORMATS, render
from nova_eval.report.grid import Table
from nova_eval.report.html import to_html
from nova_eval.report.pages import paper_page
from nova_eval.report.presets import Preset, load_preset

T2I = ("t2i_compbench", "geneval", "dpg_bench")

# NOVA, arXiv 2412.14169v2, Tables 2 and 3: as printed.
TABLE_2 = {
    "PixArt-alpha": "68.86 55.82 70.44 0.48 0.98 0.50 0.44 0.80 0.08 0.07 71.11",
    "SD v2.1": "56.94 44.95 49.82 0.50 0.98 0.37 0.44 0.85 0.07 0.17 –",
    "SDXL": "63.69 54.08 56.37 0.55 0.98 0.44 0.39 0.85 0.15 0.23 74.65",
    "DALL-E 2": "57.50 54.64 63.74 0.52 0.94 0.66 0.49 0.77 0.10 0.19 –",
    "DALL-E 3": "81.10 67.50 80.70 0.67 0.96 0.87 0.47 0.83 0.43 0.45 83.50",
    "LlamaGen": "– – – 0.32 0.71 0.34 0.21 0.58 0.07 0.04 –",
    "Emu3 (+ Rewriter)": "79.13 58.46 74.22 0.66 0.99 0.81 0.42 0.80 0.49 0.45 81.60",
    "NOVA 512": "70.75 55.98 69.79 0.66 0.98 0.85 0.58 0.83 0.20 0.48 81.76",
    "NOVA 512 + Rewriter": "83.02 61.47 75.80 0.75 0.98 0.88 0.62 0.82 0.62 0.58 –",
    "NOVA 512 + Videos": "71.80 47.86 65.31 0.55 0.98 0.56 0.48 0.75 0.15 0.41 81.77",
    "NOVA 512 + Videos & Rewriter": "81.36 59.16 72.45 0.71 0.98 0.83 0.52 0.81 0.58 0.51 –",
    "NOVA 1024 (0.3B)": "73.35 57.28 70.09 0.67 0.98 0.86 0.53 0.84 0.32 0.52 80.60",
    "NOVA 1024 (0.6B)": "74.72 56.99 69.50 0.69 0.98 0.89 0.56 0.84 0.32 0.56 82.25",
    "NOVA 1024 (1.4B)": "74.30 57.14 70.00 0.71 0.99 0.91 0.62 0.85 0.33 0.56 83.01",
}
TABLE_3 = {
    "Gen-2": "80.58 82.47 73.03 66.96 90.92 55.47 89.20 66.91 48.91",
    "Kling (2024-07)": "81.85 83.39 75.68 61.21 87.24 68.05 93.40 73.03 50.86",
    "Gen-3": "82.32 84.11 75.17 63.34 87.81 53.64 96.40 65.09 54.57",
    "LaVie": "77.08 78.78 70.31 54.94 91.82 33.32 96.80 34.09 52.69",
    "Show-1": "78.93 80.42 72.98 57.35 93.07 45.47 95.60 53.50 47.03",
    "AnimateDiff-v2": "80.27 82.90 69.75 67.16 90.90 36.88 92.60 34.60 50.19",
    "VideoCrafter-v2.0": "80.44 82.20 73.42 63.13 92.55 40.66 95.00 35.86 55.29",
    "T2V-Turbo (VC2)": "81.01 82.57 74.76 63.04 93.96 54.65 95.20 38.67 55.58",
    "OpenSora v1.1": "75.66 77.74 67.36 50.12 86.76 40.97 84.20 52.47 38.63",
    "OpenSoraPlan v1.1": "78.00 80.91 66.38 56.85 76.30 40.35 86.80 53.11 27.17",
    "OpenSora v1.2": "79.76 81.35 73.39 56.85 82.22 51.83 91.20 68.56 42.44",
    "CogVideoX": "80.91 82.18 75.83 60.82 83.37 62.63 98.00 69.90 51.14",
    "CogVideo": "67.01 72.06 46.83 38.18 73.40 18.11 78.20 18.24 28.24",
    "Emu3": "80.96 84.09 68.43 59.64 86.17 44.64 77.71 68.73 37.11",
    "NOVA": "78.48 78.96 76.57 54.52 91.36 73.46 91.20 66.37 50.16",
    "NOVA + Rewriter": "80.12 80.39 79.05 59.42 92.00 77.52 95.20 77.52 54.06",
}


def preset(name: str) -> Preset:
    return load_preset(reading.toml_file(data_folder("benchmarks") / "presets.toml", dict[str, Any]), name)


def table(name: str, *summaries: RunSummary) -> Table:
    return paper_page(name, summaries)


def cells(page: Table) -> dict[str, dict[str, str]]:
    """Texts of the page by model and column."""
    keys = [column.key for column in page.columns]
    return {
        str(row.cells[0].datum): {key: cell.text for key, cell in zip(keys, row.cells, strict=True)}
        for row in page.rows
    }


def printed(page: Table) -> dict[str, str]:
    """The scores of each model in the order of the columns, without marks."""
    return {
        model: " ".join(text.partition(" ")[0] for key, text in row.items() if "." in key)
        for model, row in cells(page).items()
    }


def run(benchmark: str, values: Mapping[str, float], **changes: object) -> RunSummary:
    summary = RunSummary(
        run=f"{benchmark}/mine-0123abcd",
        model="mine",
        benchmark=benchmark,
        variant="official",
        scoring="official",
        samples_per_prompt="official",
        prompts=2,
        samples=8,
        metrics=tuple(Metric(name, value, samples=8) for name, value in values.items()),
        coverage=Coverage(8, 8, 0),
    )
    return replace(summary, **changes)


class TestWithoutARun:
    def test_text_to_image_is_table_2_as_printed(self) -> None:
        found = printed(table("paper-t2i"))
        assert {model: found[model] for model in TABLE_2} == TABLE_2
        # two cells are the source's own, and a footnote says what NOVA prints instead
        assert set(found) - set(TABLE_2) == {"SD v1.5", "SD3"}
        notes = "\n".join(table("paper-t2i").footnotes)
        assert "NOVA Table 2 prints texture 42.19 instead of 41.59" in notes
        assert "NOVA Table 2 rounds it to 84.10" in notes

    def test_text_to_video_is_table_3_as_printed(self) -> None:
        assert printed(table("paper-t2v")) == TABLE_3

    def test_both_misprints_of_geneval_are_flagged_with_what_follows_from_the_tasks(self) -> None:
        page = table("paper-t2i")
        flagged = {model for model, row in cells(page).items() if "§" in row["geneval.overall"]}
        assert flagged == {"SD v2.1", "SDXL"}
        assert [note for note in page.footnotes if note.startswith("§")] == [
            "§ SD v2.1, GenEval: overall is printed as 0.50, its dimensions give 0.4800.",
            "§ SDXL, GenEval: overall is printed as 0.55, its dimensions give 0.5067.",
        ]
        mean = sum(map(Decimal, ("0.98", "0.44", "0.39", "0.85", "0.15", "0.23"))) / 6
        assert f"{mean:.4f}" == "0.5067"

    def test_what_the_paper_prints_beside_scores_is_there(self) -> None:
        images, videos = cells(table("paper-t2i")), cells(table("paper-t2v"))
        assert [images[f"NOVA 1024 ({size}B)"]["a100_days"] for size in ("0.3", "0.6", "1.4")] == ["267", "320", "608"]
        assert (videos["NOVA"]["latency"], videos["CogVideoX"]["latency"]) == ("12s", "90s")

    def test_rewritten_prompts_are_marked_and_do_not_compete(self) -> None:
        page = table("paper-t2i")
        keys = [column.key for column in page.columns]
        best = {row.cells[0].datum for row in page.rows if row.cells[keys.index("geneval.overall")].strong}
        assert best == {"NOVA 1024 (1.4B)"}
        assert "†" in cells(page)["NOVA 512 + Rewriter"]["model"]

    @pytest.mark.parametrize("format", sorted(FORMATS))
    @pytest.mark.parametrize("name", ["paper-t2i", "paper-t2v"])
    def test_every_format_holds_every_number(self, name: str, format: str) -> None:
        text = render(table(name), format)
        rows = TABLE_2 if name == "paper-t2i" else TABLE_3
        for numbers in rows.values():
            assert all(number in text for number in numbers.split() if number != "–")

    def test_html_is_one_file_that_parses(self) -> None:
        from html.parser import HTMLParser

        opened: list[str] = []

        class Balance(HTMLParser):
            def handle_starttag(self, tag: str, attrs: object) -> None:
                opened.extend([tag] if tag not in ("meta", "br") else [])

            def handle_endtag(self, tag: str) -> None:
                assert opened.pop() == tag

        text = render(table("paper-t2i"), "html")
        Balance().feed(text)
        assert opened == []
        both = to_html(table("paper-t2i"), table("paper-t2v"))
        Balance().feed(both)
        assert (both.count("<html"), both.count("<table"), opened) == (1, 2, [])
        assert "&amp; Rewriter" in text
        assert "src=" not in text


class TestWithRuns:
    def test_runs_of_several_benchmarks_are_one_row(self) -> None:
        geneval = run("geneval", {"overall": 0.5, "colors": 0.75})
        dpg = run("dpg_bench", {"overall": 0.8125})
        row = cells(table("paper-t2i", geneval, dpg))["mine"]
        assert (row["geneval.overall"], row["geneval.colors"], row["dpg_bench.overall"]) == ("0.50", "0.75", "81.25")
        assert (row["geneval.position"], row["t2i_compbench.color"]) == ("–", "–")

    def test_two_runs_of_one_benchmark_are_two_rows_that_say_which(self) -> None:
        other = run("geneval", {"overall": 0.6}, run="geneval/mine-fedc4567")
        labels = [
            label for label in cells(table("paper-t2i", run("geneval", {"overall": 0.5}), other)) if "mine" in label
        ]
        assert labels == ["mine (official prompts, 0123abcd)", "mine (official prompts, fedc4567)"]

    def test_each_run_states_its_rules_and_coverage(self) -> None:
        page = table("paper-t2i", run("geneval", {"overall": 0.5}, samples_per_prompt="2", coverage=Coverage(8, 4, 0)))
        assert "geneval/mine-0123abcd: official prompts, samples per prompt: 2, official scoring, coverage 50.0 %." in (
            page.footnotes
        )
        assert any("official number of samples" in note for note in page.footnotes)

    def test_rewritten_runs_turn_the_marks_around(self) -> None:
        row = cells(table("paper-t2i", run("geneval", {"overall": 0.5}, variant="rewritten")))
        assert "original prompts" in row["LlamaGen"]["note"]
        assert row["LlamaGen"]["model"] == "LlamaGen †"

    def test_a_benchmark_without_a_column_is_refused(self) -> None:
        with pytest.raises(UsageError, match="ran vbench, which paper-t2i has no column of"):
            table("paper-t2i", run("vbench", {"total": 0.5}))


class TestLoading:
    def test_an_unknown_preset_and_a_broken_one_are_one_line(self) -> None:
        with pytest.raises(UsageError, match="did you mean 'paper-t2v'"):
            preset("paper-t3v")
        with pytest.raises(UsageError, match="has another form"):
            load_preset({"x": {"title": "t"}}, "x")
