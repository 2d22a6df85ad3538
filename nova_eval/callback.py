"""Testing a model while it is trained: samples of the live model, scored and held against a reference.

A training goes on as it would without: random numbers, modes of modules and gradients are as they were, and whatever
goes wrong is a row in place of an error.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nova_eval.compare import gates
from nova_eval.compare.reference import open_side
from nova_eval.compare.sides import of_run
from nova_eval.compare.trend import outcome, tables, tracked
from nova_eval.compare.trend.points import Point
from nova_eval.compare.trend.trend import Rules, Trend, series_folder
from nova_eval.config import BenchmarkConfig, RunSpec
from nova_eval.errors import PrerequisiteError, UsageError, brief, is_interrupt
from nova_eval.identity import digest
from nova_eval.options import RunOptions
from nova_eval.progress import once, talk
from nova_eval.protocols import SamplerInfo
from nova_eval.records import Prompt
from nova_eval.runs import opening, options, pipeline
from nova_eval.runs.run import Run
from nova_eval.runs.shown import samples_of
from nova_eval.trackers import Tracking

if TYPE_CHECKING:
    from nova_eval.nova.training.config import TrainConfig

Sample = Callable[[Sequence[Prompt], Sequence[int]], Sequence[Any]]
"""As ``Sampler.sample``: one uint8 (T, H, W, 3) array a prompt, made from ``prompt.sampling_text`` and its seed."""

_SAMPLER = "imported"


class Validation:
    """``validation(step)`` tests the model at every step that ``every`` divides, and does nothing at others.

    ``sample`` makes samples of the live model. ``model`` is a module, or whatever has a ``state_dict``: it is in
    evaluation mode meanwhile, and its weights name the run, so that a training that goes on finds what was tested.
    ``against`` is a run or a reference file. What is sampled is as there unless ``asked`` says otherwise, by the keys
    of a run's options: ``limit=20``, ``metrics=("color",)``, ``samples_per_prompt=1``, ``variant``, ``seed``,
    ``device``, ``results`` … ``fps`` is the rate of clips.

    Rows go to an ordinary run a step, called after ``name`` and the step, and to ``results/watch/``, as of ``watch``;
    ``track`` names trackers. The 5 % are spent over all steps, of which ``planned`` are expected. A failure is a row
    with its reason, unless ``strict``. With an ``accelerator`` of accelerate the main process tests, and all wait: for
    longer tests than its ``InitProcessGroupKwargs(timeout=…)`` allows they would not.

    NovaEvalError, when it is made, for what could not be tested at any step.
    """

    def __init__(
        self,
        benchmark: str,
        sample: Sample,
        *,
        every: int,
        against: str | Path | None = None,
        model: Any = None,
        name: str = "training",
        fps: float = 8.0,
        planned: int = 0,
        gate: Sequence[str] = (),
        allow: Sequence[str] = (),
        track: Sequence[str] = (),
        strict: bool = False,
        accelerator: Any = None,
        say: Callable[[str], None] = talk,
        **asked: Any,
    ) -> None:
        if every < 1:
            raise UsageError(f"every is {every}", remedy="give 1 or more")
        self.every, self._sample, self._name, self._fps = every, sample, name, fps
        self._model, self._accelerator, self._strict, self._say = model, accelerator, strict, say
        self._say_once = once(say)
        _whole_in_each_process(accelerator)
        self._benchmark, self._asked, self._track = benchmark, asked, tuple(track)
        self._session = f"session {uuid4().hex}"  # of weights that nobody can name
        reference = None if against is None else open_side(str(against), Path(asked.get("results", "results")))
        if reference is not None and reference.benchmark.config.name != benchmark:
            raise UsageError(
                f"{reference.name} is of {reference.benchmark.config.name}, not of {benchmark}",
                remedy="name a reference of this benchmark",
            )
        self._usual = {} if reference is None else options.as_before(reference.manifest, _SAMPLER)
        with _untouched(None):
            spec, chosen, config = self._resolved("of no step", "")
            opening.suites(spec, chosen)
        self._results = chosen.results
        rules = Rules(reference, gates.gates_of(config, gate), allow, planned)
        folder = series_folder(chosen, config.name, name, [name, digest([spec.variant, spec.seed, fps])])
        self._trend = Trend(folder, config, rules, lambda run: open_side(run, self._results))
        self._tracking: Tracking | None = None

    def __call__(self, step: int) -> Point | None:
        """What was found at ``step``; ``None`` where it is none to test at, and in processes that only wait."""
        if step % self.every:
            return None
        accelerator = self._accelerator
        try:
            if accelerator is not None and not accelerator.is_main_process:
                return None
            with _alone(self._model), _untouched(self._model):
                return self._tested(step)
        finally:
            if accelerator is not None:
                accelerator.wait_for_everyone()

    def for_trainer(self) -> Any:
        """A callback for the Trainer of transformers, which tests at the end of steps."""
        return _ForTrainer(self)

    def close(self) -> None:
        """Closes trackers."""
        if self._tracking is not None:
            self._tracking.__exit__()
            self._tracking = None

    def _tested(self, step: int) -> Point:
        trend = self._trend
        point = Point(f"{self._name}-{step}", stage=self._name, step=step)
        try:
            with trend.held():
                found = self._scored(point)
                tables.write(trend, self._say_once)
                self._tell_trackers()
        except BaseException as error:
            if self._strict or is_interrupt(error):
                raise
            found = self._failed(replace(point, problem=brief(error)))
        self._say(f"{found.name}: {outcome.line(trend, found)}")
        return found

    def _scored(self, point: Point) -> Point:
        weights = self._session if self._model is None else weights_digest(self._module().state_dict())
        spec, chosen, config = self._resolved(point.name, weights)
        opened = opening.open_run(spec, chosen, config, self._say)
        for known in self._trend.points:
            if (known.name, known.identity) == (point.name, opened.identity):
                return known
        found = pipeline.run(opened, live=self._live(opened))
        if not any(row.decided for row in found.rows):
            reasons = (row.reason for row in found.rows if row.reason)
            raise PrerequisiteError(f"nothing could be scored: {next(reasons, 'nothing was wanted')}")
        return self._trend.add(replace(point, identity=opened.identity), of_run(opened.store.folder))

    def _live(self, opened: Run) -> Any:
        """The model as a sampler."""
        info = SamplerInfo(opened.info.name, opened.config.modality, fps=self._fps)
        return SimpleNamespace(info=info, sample=self._sample)

    def _resolved(self, name: str, weights: str) -> tuple[RunSpec, RunOptions, BenchmarkConfig]:
        told = {**self._asked, "sampler": f"{_SAMPLER}:{name}", "sampler.weights": weights, "sampler.fps": self._fps}
        return options.resolve(self._benchmark, told, (), None, self._usual)

    def _failed(self, point: Point) -> Point:
        """The row of a failure, if it can be written."""
        try:
            with self._trend.held():
                return self._trend.add(point)
        except Exception as error:
            self._say(f"{point.name}: {brief(error)}")
            return point

    def _tell_trackers(self) -> None:
        if self._tracking is None:
            self._tracking = Tracking(self._track, self._trend.folder.name, self._say)
        tracked.track(self._tracking, self._trend, lambda point: samples_of(point.run, self._results))

    def _module(self) -> Any:
        if self._accelerator is not None and hasattr(self._model, "modules"):
            return self._accelerator.unwrap_model(self._model)
        return self._model


def of_training(config: TrainConfig, say: Callable[[str], None] = talk) -> Callable[[Any], Validation]:
    """The validation that a training's file asks for, once its model is there; for ``nova.training.run``."""
    told = config.validation
    if told is None:
        raise UsageError("the training's file has no [validation]")
    given = {"name": config.output.name, "say": say, **told.options}

    def made(live: Any) -> Validation:
        try:
            return Validation(told.benchmark, live.sample, model=live, every=told.every, against=told.against, **given)
        except TypeError as error:
            raise UsageError(f"[validation.options]: {brief(error)}", remedy="name fields of Validation") from error

    return made


class _ForTrainer:
    """Hears of everything that a Trainer does, as its callbacks do; acts at the end of steps and of the training."""

    def __init__(self, validation: Validation) -> None:
        self._validation = validation

    def on_step_end(self, _arguments: Any, state: Any, _control: Any, **_: Any) -> None:
        self._validation(state.global_step)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._validation.close()

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *_, **__: None


def weights_digest(weights: Mapping[str, Any]) -> str:
    """sha256 (hex) of tensors by their names, wherever they lie."""
    hasher = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name]
        hasher.update(name.encode())
        if not hasattr(value, "detach"):
            hasher.update(repr(value).encode())
            continue
        tensor = value.detach().cpu().contiguous()
        hasher.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.numel():
            hasher.update(tensor.reshape(-1).view(sys.modules["torch"].uint8).numpy())
    return hasher.hexdigest()


def _whole_in_each_process(accelerator: Any) -> None:
    """UsageError where the main process has a part of the weights only: its samples would wait for the others'."""
    state = getattr(accelerator, "state", None)
    kind = str(getattr(accelerator, "distributed_type", "")).rpartition(".")[2]
    stage = getattr(getattr(state, "deepspeed_plugin", None), "zero_stage", 0)
    if kind in ("FSDP", "MEGATRON_LM") or (kind == "DEEPSPEED" and stage == 3):
        raise UsageError(
            f"each process has a part of the weights ({kind}): the main one alone cannot sample",
            remedy="test the checkpoints that the training leaves, with `nova-eval watch`",
        )


@contextmanager
def _alone(model: Any) -> Iterator[None]:
    """In the block a model that is trained by several processes (``DistributedDataParallel``) waits for no other."""
    waits = getattr(model, "require_forward_param_sync", None)
    if waits is None:
        yield
        return
    model.require_forward_param_sync = False
    try:
        yield
    finally:
        model.require_forward_param_sync = waits


@contextmanager
def _untouched(model: Any) -> Iterator[None]:
    """Random numbers of Python, NumPy and torch go on after the block as before it, and ``model`` is in the mode that
    it was in, module by module; in the block it is in evaluation mode, and no gradients are made.
    """
    torch: Any = sys.modules.get("torch")
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        if (numpy := sys.modules.get("numpy")) is not None:
            stack.callback(numpy.random.set_state, numpy.random.get_state())
        if torch is not None:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            stack.callback(torch.random.set_rng_state, torch.random.get_rng_state())
            if torch.cuda.is_available() and torch.cuda.is_initialized():
                stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        if hasattr(model, "modules"):
            modes = [(module, module.training) for module in model.modules()]
            stack.callback(_put_back, modes)
            model.eval()
        stack.enter_context(torch.no_grad() if torch is not None else nullcontext())
        yield


def _put_back(modes: Sequence[tuple[Any, bool]]) -> None:
    for module, training in modes:
        module.training = training
