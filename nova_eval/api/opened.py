"""A run as it was when it was opened: its numbers as data frames, its samples to look at, itself beside another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nova_eval import media
from nova_eval.api.comparing import Comparison, compared
from nova_eval.api.showing import Shown, shown
from nova_eval.compare import reference as references
from nova_eval.compare.sides import Side, of_opened, summary_of
from nova_eval.config import BenchmarkConfig
from nova_eval.errors import UsageError, unknown
from nova_eval.options import ALL, View
from nova_eval.page.writing import write_report
from nova_eval.records import Prompt, RunSummary, SampleKey, Score
from nova_eval.report.dataframes import metrics_frame, records_frame, samples_frame, scores_frame, table_frame
from nova_eval.report.html import tables_of
from nova_eval.report.numbers import extent
from nova_eval.report.options import Baselines, TableOptions
from nova_eval.report.pages import pages
from nova_eval.report.tables import coverage_line, run_table
from nova_eval.runs.catalogue import entries
from nova_eval.runs.finding import find
from nova_eval.runs.opening import reopen
from nova_eval.runs.run import Run
from nova_eval.runs.summary import Outcome, summarise
from nova_eval.runs.view import summarised, viewed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a reference knows of a sample."""

    seed: int | None
    digest: str | None


@dataclass(frozen=True, eq=False, repr=False)
class OpenRun:
    """What a run, or a reference file, said when it was opened; open it again to see what came since.

    ``where`` is its folder or file, ``summary`` what its table is made of, values raw. ``config`` is its benchmark's.
    """

    where: Path
    summary: RunSummary
    config: BenchmarkConfig
    _prompts: tuple[Prompt, ...]
    _wanted: tuple[SampleKey, ...]
    _samples: Mapping[SampleKey, Any]
    _absent: Mapping[SampleKey, str]
    _rows: tuple[Score, ...]
    _counted: tuple[Score, ...]
    _source: Run | Side

    def __repr__(self) -> str:
        return f"<run {self.name}: {extent(self.summary)}; {coverage_line(self.summary.coverage)}>"

    @property
    def name(self) -> str:
        """``benchmark/run``, as the commands know it."""
        return self.summary.run

    @property
    def complete(self) -> bool:
        """Whether every score that was asked for is there, or left out by the benchmark's own rule."""
        return self.summary.coverage.wanted > 0 and not self.summary.coverage.unscored

    def metrics(self) -> pd.DataFrame:
        """A row a metric, in raw units: metric, label, value, low and high (95 %), counts, direction, reason."""
        return metrics_frame(self.summary.metrics, self.config)

    def scores(self, *, counted: bool = True) -> pd.DataFrame:
        """A row a (sample, metric), in raw units; a missing value has its reason.

        ``counted``: what the metrics are made of. Otherwise every scorer's row as it stands, as in ``scores.parquet``.
        """
        return scores_frame(self._counted if counted else self._rows, self._samples, self._prompts)

    def samples(self) -> pd.DataFrame:
        """A row a wanted sample: seed, path, digest, size, seconds, or the reason why it is not there.

        A reference keeps seeds and digests alone. The seed of media that somebody else made is not known, and 0.
        """
        return samples_frame(self._wanted, self._samples, self._absent, self._prompts)

    def table(self, *others: OpenRun, baselines: Baselines = "none") -> pd.DataFrame:
        """What ``nova-eval table`` writes as CSV, in the benchmark's unit: this run, or a row a run beside ``others``.

        ``baselines`` adds published rows: the benchmark's choice (``some``), or all.
        """
        options = TableOptions(baselines=baselines, format="csv")
        [page] = pages([self.summary, *(other.summary for other in others)], options)
        return table_frame(page)

    def compare(
        self, other: OpenRun | str | Path, *, gates: Mapping[str, float] | None = None, allow: Sequence[str] = ()
    ) -> Comparison:
        """Whether this run is better or worse than ``other``, the reference, prompt by prompt.

        ``other`` is open, or what ``open_run`` takes. ``gates`` replace some of the benchmark's, in raw units;
        ``allow`` as of ``nova-eval compare``.
        """
        before = other if isinstance(other, OpenRun) else open_run(other)
        return compared(before._side(), self._side(), gates or {}, allow)

    def show(self, key: str | tuple[str, int]) -> Shown:
        """A sample to look at in a notebook: a strip of its frames, the prompt, and what it scored.

        ``key`` is a prompt's id, for its first sample, or the id and the index. UsageError for a sample that is none of
        the run's, MediaError where its file is not whole.
        """
        key = SampleKey(key, 0) if isinstance(key, str) else SampleKey(*key)
        prompt_id, index = key
        if prompt_id not in {known.prompt_id for known in self._wanted}:
            raise unknown(f"prompt of {self.name}", prompt_id, {known.prompt_id for known in self._wanted})
        store = self._run().store
        if key not in self._samples:
            raise UsageError(f"{prompt_id} has no sample {index}: {self._absent.get(key, 'not sampled yet')}")
        sample = self._samples[key]
        clip = media.read(store.whole_media(sample))
        clip = clip if sample.part is None else clip.cut(sample.part)
        [prompt] = [one for one in self._prompts if one.id == prompt_id]
        rows = [row for row in self._counted if row.key == key]
        return shown(f"{prompt_id} [{index}]", prompt.text, clip, rows, self.config)

    def report(self, *others: OpenRun, out: str | Path | None = None, allow: Sequence[str] = ()) -> Path:
        """Makes the page of ``nova-eval report``, of this run or of it beside others, and says which file to open.

        It lies in ``out``, by default in the run's own folder. ``allow`` as of ``compare``.
        """
        folders = [run._run().store.folder for run in (self, *others)]
        if out is None and others:
            raise UsageError("a page of several runs lies in neither", remedy="say where: out=FOLDER")
        place = folders[0] / "report" if out is None else Path(out)
        return write_report(folders, place, allow).index

    def _run(self) -> Run:
        if isinstance(self._source, Run):
            return self._source
        raise UsageError(f"{self.where} keeps no media", remedy="open the run that it was saved from")

    def _side(self) -> Side:
        """As comparisons take it. UsageError where nothing is scored."""
        if isinstance(self._source, Side):
            return self._source
        return of_opened(self._source, self._rows, self._samples)

    def _repr_html_(self) -> str:
        return tables_of(run_table(self.summary, self.config))


def open_run(
    name: str | Path,
    *,
    results: str | Path = "results",
    limit: int | None = None,
    metrics: Sequence[str] = (),
    samples_per_prompt: int | Literal["official"] | None = None,
    over: Literal["asked", "have", "suite"] = "asked",
) -> OpenRun:
    """A run by its folder or its name in ``results``, finished or not, or a reference file (.parquet).

    The others look at a part of it, and state coverage over it, as ``nova-eval table`` does.
    """
    view = View(limit, tuple(metrics), samples_per_prompt, over)
    if Path(name).suffix == references.ENDING:
        if view != ALL:
            raise UsageError(f"{name} is a reference, which is seen whole", remedy="open its run for a part of it")
        return _of_side(references.load(Path(name)))
    opened = viewed(reopen(find(str(name), Path(results))), view)
    return of_run(opened, replace(summarise(opened), summary=summarised(opened, view)))


def of_run(opened: Run, outcome: Outcome) -> OpenRun:
    """A run whose rows are read."""
    _, absent = opened.samples()
    return OpenRun(
        where=opened.store.folder,
        summary=outcome.summary,
        config=opened.config,
        _prompts=opened.prompts,
        _wanted=opened.wanted,
        _samples=outcome.samples,
        _absent=absent,
        _rows=outcome.rows,
        _counted=outcome.counted,
        _source=opened,
    )


def _of_side(side: Side) -> OpenRun:
    return OpenRun(
        where=side.where,
        summary=summary_of(side),
        config=side.benchmark.config,
        _prompts=side.prompts,
        _wanted=side.wanted,
        _samples={key: _Kept(side.seeds.get(key), digest) for key, digest in side.digests.items()},
        _absent={},
        _rows=side.rows,
        _counted=tuple(side.benchmark.rows(side.prompts, side.wanted, side.rows, side.scoring)),
        _source=side,
    )


def reference(run: OpenRun | str | Path, file: str | Path) -> OpenRun:
    """Writes what comparing needs of a run, without its media, into one small file (.parquet), and opens it."""
    path = Path(file)
    if path.suffix != references.ENDING:
        raise UsageError(f"{path}: a reference ends in {references.ENDING}", remedy="name it so")
    if path.exists():
        raise UsageError(f"{path} exists already", remedy="choose another name, or remove it first")
    opened = run if isinstance(run, OpenRun) else open_run(run)
    return open_run(references.save(opened._side(), path))


def list_runs(results: str | Path = "results", benchmark: str = "*") -> pd.DataFrame:
    """The runs below ``results``: name, folder, model, seed, prompts, samples, the share that is scored, one score.

    ``score`` is the benchmark's one number (``metric``), raw. ``problem`` says why a run cannot be read.
    """
    kinds = {
        **dict.fromkeys(("name", "folder", "label", "model", "variant", "scoring", "status", "problem"), "string"),
        **dict.fromkeys(("seed", "prompts", "wanted", "done"), "Int64"),
        **dict.fromkeys(("scored", "score"), "Float64"),
        "metric": "string",
    }
    rows = [
        {name: _told(entry, name) for name in kinds if name != "metric"} | {"metric": entry.headline or None}
        for entry in entries(Path(results), benchmark)
    ]
    return records_frame(rows, kinds)


def _told(entry: Any, name: str) -> Any:
    """What a list says of a run; nothing is known of one that cannot be read but its name, folder and problem."""
    value = getattr(entry, name)
    if entry.problem and name not in ("name", "folder", "problem"):
        return None
    return str(value) if isinstance(value, Path) else None if value == "" else value
