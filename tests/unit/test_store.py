"""Faults: what a run's files survive, and what they refuse to hide."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_eval import rows
from nova_eval.errors import CorruptStoreError, PrerequisiteError
from nova_eval.records import Failure, Prompt, Sample, SampleKey, Score
from nova_eval.store import RunStore

KEY = SampleKey("vbench/0001", 0)


def sample_of(store: RunStore, key: SampleKey = KEY, data: bytes = b"media") -> Sample:
    name = store.media_name(key, ".mp4")
    store.write(name, data)
    return Sample(key, 7, name, f"digest of {data!r}", len(data), 8, 8, 4, 8.0, 0.5)


def written(store: RunStore, *rows: Sample | Failure) -> Path:
    writer = store.sample_writer()
    writer.append_samples(rows)
    writer.close()
    return max((store.folder / "samples").iterdir(), key=lambda path: path.stat().st_mtime_ns)


class TestRows:
    def test_come_back_as_they_went(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        sample = sample_of(store)
        written(store, sample)
        score = Score(KEY, "color", 0.1 + 0.2, 3.0, detail={"frames": [1, 2.5, None, "ü"]})
        writer = store.score_writer("color@1-abc")
        writer.append_scores([(score, sample), (Score(KEY, "scene", None, reason="no judge"), sample)])
        assert store.samples() == ({KEY: sample}, {})
        assert store.scores("color@1-abc", {KEY: sample})[KEY, "color"] == score

    def test_no_row_is_lost_to_a_torn_last_line(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        path = written(store, sample_of(store))
        whole = path.read_bytes()
        for cut in range(1, len(whole)):
            path.write_bytes(whole + whole[:cut])
            if cut < len(whole):
                assert len(store.sample_rows()[0][KEY]) == 1

    def test_a_broken_inner_line_is_an_error_that_names_the_place(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        path = written(store, sample_of(store), sample_of(store, SampleKey("vbench/0002", 0)))
        path.write_bytes(path.read_bytes().replace(b"mp4", b"mp5", 1))
        with pytest.raises(CorruptStoreError, match=rf"{path.name}, line 1: not a whole row.*run again"):
            store.samples()

    @given(st.integers(min_value=0), st.binary(min_size=1, max_size=1))
    def test_no_changed_byte_passes(self, tmp_path_factory: pytest.TempPathFactory, place: int, byte: bytes) -> None:
        store = RunStore(tmp_path_factory.mktemp("run"))
        path = written(store, sample_of(store))
        whole = bytearray(path.read_bytes())
        place %= len(whole) - 1  # the newline makes the line a promise: without it there is none
        if whole[place] == byte[0] or byte in b"\n":
            return
        whole[place] = byte[0]
        path.write_bytes(bytes(whole))
        with pytest.raises(CorruptStoreError):
            store.samples()

    def test_a_valid_line_of_another_kind_is_refused(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        writer = store.sample_writer()
        writer._append([rows._line({"key": ["vbench/0001", 0], "nonsense": 1})])
        with pytest.raises(CorruptStoreError, match="line 1"):
            store.samples()

    def test_a_process_number_that_comes_back_never_writes_into_an_old_file(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        first = written(store, sample_of(store))
        first.write_bytes(first.read_bytes() + b'{"torn')
        second = written(store, sample_of(store, SampleKey("vbench/0002", 0)))
        assert second != first
        assert len(store.samples()[0]) == 2

    def test_a_value_wins_over_an_earlier_failure(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        sample = sample_of(store)
        for row in (Score(KEY, "color", None, reason="out of memory"), Score(KEY, "color", 0.5)):
            writer = store.score_writer("color@1-abc")
            writer.append_scores([(row, sample)])
            writer.close()
        assert store.scores("color@1-abc", {KEY: sample})[KEY, "color"].value == 0.5
        written(store, Failure(KEY, "out of memory"))
        assert store.samples()[1] == {KEY: "out of memory"}
        written(store, sample)
        assert store.samples()[1] == {}

    def test_scores_of_other_bytes_do_not_count(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        sample = sample_of(store)
        store.score_writer("color@1-abc").append_scores([(Score(KEY, "color", 0.5), sample)])
        assert store.scores("color@1-abc", {KEY: replace(sample, digest="other")}) == {}


@pytest.mark.parametrize(("value", "weight", "decided"), [(0.0, 1, True), (None, 1, False), (None, 0, True)])
def test_a_row_is_decided_by_a_number_or_by_the_rule(value: float | None, weight: float, decided: bool) -> None:
    assert Score(KEY, "color", value, weight, reason="why").decided is decided


class TestMedia:
    @pytest.mark.parametrize("loss", ["gone", "cut"])
    def test_lost_or_cut_media_is_wanted_again(self, tmp_path: Path, loss: str) -> None:
        store = RunStore(tmp_path)
        written(store, sample_of(store))
        path = store.folder / store.media_name(KEY, ".mp4")
        path.unlink() if loss == "gone" else path.write_bytes(b"m")
        assert store.samples()[0] == {}

    def test_what_killed_processes_left_half_written_is_swept(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        store.write("media/vbench/0001/0.mp4", b"whole")
        host = next(iter(written(store, sample_of(store)).name.rpartition("-")[:1]))
        dead = tmp_path / f"media/vbench/0001/.1.mp4.{host}-999999999.tmp"
        alive = tmp_path / f"media/vbench/0001/.2.mp4.{host}-{os.getpid()}.tmp"
        elsewhere = tmp_path / "media/vbench/0001/.3.mp4.other_host-999999999.tmp"
        for path in (dead, alive, elsewhere):
            path.write_bytes(b"half")
        store.sweep()
        assert [path.exists() for path in (dead, alive, elsewhere)] == [False, True, True]
        assert (tmp_path / "media/vbench/0001/0.mp4").read_bytes() == b"media"

    def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = RunStore(tmp_path)
        store.write("media/a/0.mp4", b"old")

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(PrerequisiteError, match=r"cannot write .*0\.mp4: No space left on device; free space"):
            store.write("media/a/0.mp4", b"new")
        assert [path.name for path in (tmp_path / "media/a").iterdir()] == ["0.mp4"]
        assert (tmp_path / "media/a/0.mp4").read_bytes() == b"old"

    def test_a_results_folder_below_a_file_is_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(PrerequisiteError, match="cannot write"):
            RunStore(tmp_path / "file" / "run").write_manifest({})


class TestManifest:
    def test_of_another_schema_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.json").write_text(json.dumps({"schema": 999}))
        with pytest.raises(CorruptStoreError, match="schema 999"):
            RunStore(tmp_path).manifest()

    def test_that_is_not_json_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.json").write_text("{")
        with pytest.raises(CorruptStoreError, match=r"manifest\.json is not JSON"):
            RunStore(tmp_path).manifest()

    @pytest.mark.parametrize(
        "said",
        [
            {"identity": ["a498e27a"]},
            {"metrics": {"color": "high"}},
            {"scorers": {"color": 3}},
            {"options": {"shard": "ab"}},
            {"part": {"vbench/0001": [10**9, []]}},
            {"coverage": []},
        ],
    )
    def test_of_other_types_is_refused(self, said: dict[str, object], tmp_path: Path) -> None:
        (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, **said}))
        with pytest.raises(CorruptStoreError, match=rf"manifest\.json: {next(iter(said))}.* should be "):
            RunStore(tmp_path).manifest()

    def test_is_none_before_a_run_starts(self, tmp_path: Path) -> None:
        assert RunStore(tmp_path).manifest() is None

    def test_a_suite_is_written_once(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        store.write_prompts([Prompt("a/0", "first")])
        store.write_prompts([Prompt("a/0", "second")])
        assert "first" in (tmp_path / "prompts.jsonl").read_text()
