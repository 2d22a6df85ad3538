"""What one process does with one unit: sample and store, or decode once and let every scorer look."""

from __future__ import annotations

import gc
import hashlib
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from nova_eval import media
from nova_eval.adapters import load_benchmark
from nova_eval.engines.desk import Desk, Disk
from nova_eval.engines.questions import rows_of, wanted_size
from nova_eval.engines.sampling import frame_rate, frames_of
from nova_eval.engines.units import Event, Job, SampleUnit, Tell, Unit, UnitReport, Work, untold
from nova_eval.errors import MediaError, NovaEvalError, PrerequisiteError, UsageError, brief, is_interrupt
from nova_eval.identity import canonical_json, sample_seed
from nova_eval.judges import JUDGES, batch_of, filed_under
from nova_eval.media.videos import Size
from nova_eval.protocols import Frames, Item, Movable, Sampler, Scorer
from nova_eval.records import Failure, Sample, SampleKey, Score
from nova_eval.samplers import SAMPLERS
from nova_eval.weights.catalogue import family

_CONTEXT_BYTES = 2**30  # of an accelerator's memory that torch does not count: about what a process takes beside it
_DECODED_AT_ONCE = media.MEMORY_LIMIT // 2  # bytes of frames; as much again is decoded ahead


class Worker:
    """Loads the sampler at its first sample unit and drops it at the first score unit: judges load into free memory.

    ``tell`` hears which model is being loaded, and which scorer is at work on how many samples. What is made goes to
    ``desk``, by default the job's folder. ``live`` is a sampler that is there already.
    """

    def __init__(
        self,
        job: Job,
        tell: Tell = untold,
        name: str = "worker-1",
        desk: Desk | None = None,
        *,
        live: Sampler | None = None,
    ) -> None:
        self._job, self._tell, self._name = job, tell, name
        self._desk: Desk = desk or Disk(job.folder)
        self._sampler = live
        self._judges: dict[str, tuple[Any, int]] = {}  # with their batch
        self._halvings = 0
        benchmark = load_benchmark(job.spec.benchmark)
        self._scorers: dict[str, Scorer] = {scorer.name: scorer for scorer in benchmark.scorers(job.scoring)}
        self._as_stored = job.scoring == "official" and benchmark.config.protocol.pictures == "stored"

    def do(self, unit: Unit) -> UnitReport:
        """Does a unit. Raises NovaEvalError only where going on is pointless: no weights, no disk, bad settings."""
        self.prepare(unit)
        report = self._sample(unit.keys) if isinstance(unit, SampleUnit) else self._score(unit.work)
        return replace(report, peak=_taken(self._job.device))

    def prepare(self, unit: Unit) -> int:
        """Loads what a unit needs and is not loaded, and lets go what none from here on needs.

        Returns the largest batch of its judges.
        """
        if isinstance(unit, SampleUnit):
            self._sampler = self._sampler or self._load_sampler()
            return 1
        self._drop_sampler()
        self._let_go(keep=unit.keep)
        self._halvings = unit.halvings
        needed = [plan.judge for plan in self._job.scorers if any(plan.name in names for _, names in unit.work)]
        for judge in needed:
            self._judge(judge)
        return max([1, *(self._batch(judge) for judge in needed)])

    def close(self) -> None:
        """Lets go of all that it holds."""
        self._drop_sampler()
        self._let_go(keep=frozenset())
        self._desk.close()

    # --- sampling ---------------------------------------------------------------------------------------------------

    def _sample(self, keys: Sequence[SampleKey]) -> UnitReport:
        sampler = self._sampler
        assert sampler is not None
        prompts = [self._job.prompts[key.prompt_id] for key in keys]
        started = time.perf_counter()
        made = frames_of(sampler, prompts, [sample_seed(self._job.spec.seed, key) for key in keys])
        seconds = (time.perf_counter() - started) / len(keys)
        rows = [
            Failure(key, frames) if isinstance(frames, str) else self._stored(sampler, key, frames, seconds)
            for key, frames in zip(keys, made, strict=True)
        ]
        self._desk.add_samples(rows)
        failures = [row for row in rows if isinstance(row, Failure)]
        made_rows = tuple(row for row in rows if isinstance(row, Sample))
        return UnitReport(len(rows), len(failures), failures[-1].reason if failures else "", True, made_rows)

    def _stored(self, sampler: Sampler, key: SampleKey, frames: Frames, seconds: float) -> Sample | Failure:
        video = sampler.info.modality == "video"
        if not video and len(frames) != 1:
            return Failure(key, f"sampler returned {len(frames)} frames where an image is wanted")
        try:
            fps = frame_rate(sampler.info) if video else 0.0
            data = media.encode_video(frames, fps, self._job.spec.codec) if video else media.encode_image(frames[0])
        except UsageError as error:
            return Failure(key, str(error))
        except Exception as error:
            return Failure(key, f"sampler returned {frames.shape}, which cannot be encoded: {brief(error)}")
        name = self._desk.name_of(key, ".mp4" if video else ".png")
        self._desk.put(name, data)
        count, height, width, _ = frames.shape
        return Sample(
            key=key,
            seed=sample_seed(self._job.spec.seed, key),
            path=name,
            digest=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
            width=int(width),
            height=int(height),
            frames=int(count),
            fps=fps,
            seconds=round(seconds, 6),
        )

    def _load_sampler(self) -> Sampler:
        name, settings = self._job.spec.sampler.name, self._job.spec.sampler.settings
        self._loads(f"sampler {name}")
        loaded: Sampler = SAMPLERS.make(name, settings)
        if self._job.code not in ("", SAMPLERS.code(name)):
            raise _exchanged(f"the code of sampler {name!r}")
        if self._job.info is not None and canonical_json(loaded.info) != canonical_json(self._job.info):
            raise _exchanged(f"sampler {name!r} (its weights or what it says of itself)")
        if isinstance(loaded, Movable):
            with _moving(f"sampler {name!r}", self._job.device):
                loaded.to(self._job.device)
        return loaded

    # --- scoring ----------------------------------------------------------------------------------------------------

    def _score(self, work: Sequence[Work]) -> UnitReport:
        """Decodes each file once, some files at a time and the next ones meanwhile, and lets every scorer look."""
        failed: dict[SampleKey, str] = {}
        sizes = self._further_sizes({name for _, names in work for name in names})
        parts = list(_parts(work))
        with ThreadPoolExecutor(1, thread_name_prefix="decode") as reader:
            ahead = reader.submit(self._read, parts[0], sizes)
            for place, part in enumerate(parts):
                items, unreadable = ahead.result()
                if place + 1 < len(parts):
                    ahead = reader.submit(self._read, parts[place + 1], sizes)
                failed.update(unreadable)
                failed.update(self._score_part(part, items, unreadable, len(work)))
                items.clear()
        return UnitReport(len(work), len(failed), next(iter(failed.values()), ""))

    def _score_part(
        self, part: Sequence[Work], items: Mapping[SampleKey, Item], unreadable: Mapping[SampleKey, str], company: int
    ) -> dict[SampleKey, str]:
        """Appends the rows of every scorer; returns why samples stay unscored. ``company``: samples of the unit."""
        failed: dict[SampleKey, str] = {}
        for plan in self._job.scorers:
            samples = [sample for sample, names in part if plan.name in names]
            if not samples:
                continue
            self._tell(Event(self._name, f"{plan.name} of {len(samples)} samples", "is at"))
            scores = [Score(s.key, plan.name, None, reason=unreadable[s.key]) for s in samples if s.key in unreadable]
            whole = [items[sample.key] for sample in samples if sample.key in items]
            judge, less = self._judge(plan.judge) if whole else None, company > 1 or self._batch(plan.judge) > 1
            scores += rows_of(self._scorers[plan.name], whole, judge, less=less)
            by_key = {sample.key: sample for sample in samples}
            self._desk.add_scores(plan.folder, [(score, by_key[score.key]) for score in scores])
            failed.update((score.key, score.reason) for score in scores if not score.decided)
        return failed

    def _read(self, part: Sequence[Work], sizes: Sequence[Size]) -> tuple[dict[SampleKey, Item], dict[SampleKey, str]]:
        """The decoded samples, and why the others cannot be decoded."""
        items: dict[SampleKey, Item] = {}
        unreadable: dict[SampleKey, str] = {}
        shared: dict[str, media.Clip] = {}  # pictures that hold several samples, decoded once
        for sample, _ in part:
            try:
                if sample.part is not None:
                    shared[sample.path] = shared.get(sample.path) or media.read(
                        self._desk.media(sample), as_stored=True
                    )
                    clip = shared[sample.path].cut(sample.part)
                else:
                    clip = media.read(
                        self._desk.media(sample), sizes=sizes, folder=self._job.folder, as_stored=self._as_stored
                    )
                items[sample.key] = Item(self._job.prompts[sample.key.prompt_id], sample, clip)
            except MediaError as error:
                unreadable[sample.key] = str(error)
        return items, unreadable

    def _further_sizes(self, scorers: Collection[str]) -> list[Size]:
        """The sizes at which judges want frames to be decoded, beside the frames' own."""
        judges = [self._judge(plan.judge) for plan in self._job.scorers if plan.name in scorers]
        return sorted({size for judge in judges if (size := wanted_size(judge)) is not None})

    def _let_go(self, *, keep: Collection[str]) -> None:
        """Drops every judge that no unit from here on needs, so that only those at work are in memory."""
        if gone := [name for name in self._judges if family(name) not in keep]:
            for name in gone:
                del self._judges[name]
            _free()

    def _judge(self, name: str | None) -> Any:
        if name is None:
            return None
        batch = self._batch(name)
        if name not in self._judges or self._judges[name][1] != batch:
            self._loads(f"judge {name}")
            judge = JUDGES.make(name, {"batch": batch} if self._halvings and batch_of(name) > 1 else {})
            letters = filed_under(name, judge.digest)
            if any(plan.judge == name and not plan.folder.endswith(f"-{letters}") for plan in self._job.scorers):
                raise _exchanged(f"judge {name!r}")
            with _moving(f"judge {name!r}", self._job.device):
                self._judges[name] = judge.to(self._job.device), batch
        return self._judges[name][0]

    def _batch(self, judge: str | None) -> int:
        """How many frames a judge is to look at together now."""
        return 1 if judge is None else max(1, batch_of(judge) >> self._halvings)

    def _loads(self, what: str) -> None:
        self._tell(Event(self._name, f"loads {what} for {self._job.device}", "loads"))

    def _drop_sampler(self) -> None:
        if self._sampler is None:
            return
        self._sampler = None
        _free()


def _exchanged(what: str) -> PrerequisiteError:
    return PrerequisiteError(
        f"{what} changed while the run was at work", remedy="run again: what is made from now on is kept apart"
    )


@contextmanager
def _moving(what: str, device: str) -> Iterator[None]:
    """Says in one line of whatever is raised in the block that ``what`` is not on the device."""
    try:
        yield
    except BaseException as error:
        if is_interrupt(error) or isinstance(error, NovaEvalError):
            raise
        raise PrerequisiteError(f"{what} cannot be moved to {device}: {brief(error)}") from error


def _parts(work: Sequence[Work]) -> Iterator[list[Work]]:
    """Consecutive samples whose decoded frames are in memory together; a large one is alone."""
    part: list[Work] = []
    held = 0
    for sample, names in work:
        size = _decoded_bytes(sample)
        if part and held + size > _DECODED_AT_ONCE:
            yield part
            part, held = [], 0
        part.append((sample, names))
        held += size
    if part:
        yield part


def _decoded_bytes(sample: Sample) -> int:
    return 3 * sample.width * sample.height * sample.frames


def _taken(device: str) -> int:
    """The bytes of an accelerator that this process took at most since it was last asked, its context included."""
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda"):
        return 0
    taken: int = torch.cuda.max_memory_reserved(device)
    torch.cuda.reset_peak_memory_stats(device)
    return taken + _CONTEXT_BYTES


def _free() -> None:
    """Gives memory back to the system and to the accelerator."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
