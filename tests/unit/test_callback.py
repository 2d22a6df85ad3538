"""A training with a validation ends as one without it, whatever the validation does, and its rows are ordinary."""

from __future__ import annotations

import multiprocessing
import os
import random
import socket
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nova_eval.callback import Validation, weights_digest
from nova_eval.compare.trend import tables
from nova_eval.errors import UsageError
from nova_eval.records import Prompt
from nova_eval.runs import opening, options, pipeline
from nova_eval.samplers.sprites import NoiseSampler, OracleSampler

ASKED: dict[str, Any] = {"limit": 4, "samples_per_prompt": 1, "variant": "sprites", "metrics": ("colors", "counting")}


@pytest.fixture(autouse=True)
def no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "draw", lambda path, *rest, **further: path.write_text("drawn"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("reference")
    asked = {**ASKED, "sampler": "oracle", "name": "oracle", "results": results, "workers": 1}
    run = opening.open_run(*options.resolve("geneval", asked))
    pipeline.run(run)
    return run.store.folder


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.5), nn.BatchNorm1d(16), nn.Linear(16, 1))
        self.frozen = nn.Dropout(0.5).eval()

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.frozen(self.body(given))
        return found


class Drawing:
    """The oracle as a live model, which draws from every generator that there is, and looks at the model's mode."""

    def __init__(self, model: nn.Module, sampler: Any = None) -> None:
        self.model, self.sampler, self.calls = model, sampler or OracleSampler(frames=1), 0

    def __call__(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[Any]:
        assert not any(module.training for module in self.model.modules())
        assert not torch.is_grad_enabled()
        self.model(torch.rand(3, 4))
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)
        self.calls += 1
        found: Sequence[Any] = self.sampler.sample(prompts, seeds)
        return found


def trained(make: Any, steps: int = 4) -> tuple[dict[str, torch.Tensor], list[float]]:
    """The weights after a loop that draws from all generators, and what they draw next."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    model = Net().train()
    model.frozen.eval()
    validation = make(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for step in range(1, steps + 1):
        batch = torch.rand(8, 4) + random.random() + float(np.random.rand())  # noqa: NPY002
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
        validation(step)
    assert model.training
    assert not model.frozen.training
    return model.state_dict(), [random.random(), float(np.random.rand()), float(torch.rand(1))]  # noqa: NPY002


def test_equal_weights_with_it_and_without_it(tmp_path: Path, reference: Path) -> None:
    made: list[Validation] = []
    drawing: list[Drawing] = []

    def with_it(model: nn.Module) -> Validation:
        drawing.append(Drawing(model))
        made.append(
            Validation(
                "geneval", drawing[0], model=model, every=3, against=reference, results=tmp_path, name="net", **ASKED
            )
        )
        return made[0]

    with_weights, with_draws = trained(with_it)
    plain_weights, plain_draws = trained(lambda model: lambda step: None)
    assert drawing[0].calls >= 1
    assert with_draws == plain_draws
    assert with_weights.keys() == plain_weights.keys()
    assert all(torch.equal(with_weights[name], plain_weights[name]) for name in plain_weights)
    points = made[0]._trend.points
    assert [(point.step, point.look, point.complete, point.problem) for point in points] == [
        (3, 1, True, ""),  # and a step after it
    ]
    assert {claim.verdict for point in points for claim in point.against.values()} == {"no worse than the gate"}
    runs = sorted(path.name for path in tmp_path.glob("runs/geneval/*"))
    assert [name.rpartition("-")[0] for name in runs] == ["net-3"]
    assert (tmp_path / "watch" / "geneval").is_dir()


@pytest.mark.slow
def test_a_training_that_goes_on_finds_what_was_tested_and_other_weights_are_another_run(
    tmp_path: Path, reference: Path
) -> None:
    model = Net()
    drawing = Drawing(model)

    def validation() -> Validation:
        return Validation("geneval", drawing, model=model, every=1, against=reference, results=tmp_path, **ASKED)

    first = validation()(3)
    calls = drawing.calls
    assert validation()(3) == first
    assert drawing.calls == calls
    with torch.no_grad():
        model.body[0].bias += 1  # type: ignore[operator]
    validation()(3)
    assert drawing.calls > calls
    assert len(list(tmp_path.glob("runs/geneval/*"))) == 2


@pytest.mark.slow
def test_a_failure_is_a_row_and_ends_nothing_unless_strict(tmp_path: Path, reference: Path) -> None:
    model = Net().train()

    def broken(prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[Any]:
        raise RuntimeError("out of memory")

    said: list[str] = []
    kinds: dict[str, Any] = {"model": model, "every": 5, "against": reference, "results": tmp_path, **ASKED}
    validation = Validation("geneval", broken, say=said.append, **kinds)
    assert validation(4) is None
    point = validation(5)
    assert point is not None
    assert "out of memory" in point.problem
    assert any("passed over" in line for line in said)
    assert model.training
    with pytest.raises(Exception, match="out of memory"):
        Validation("geneval", broken, strict=True, **kinds)(5)
    worse = Validation("geneval", NoiseSampler(frames=1).sample, **kinds)(10)
    assert worse is not None
    assert worse.against["colors"].verdict in ("worse", "cannot tell")


@pytest.mark.parametrize(
    ("benchmark", "given", "words"),
    [
        ("geneval", {"every": 0}, "every is 0"),
        ("geneva", {"every": 1}, "did you mean 'geneval'"),
        ("geneval", {"every": 1, "against": "nowhere"}, "unknown run 'nowhere'"),
        ("geneval", {"every": 1, "limits": 3}, "did you mean 'limit'"),
        ("geneval", {"every": 1, "metrics": ("colour",)}, "did you mean 'colors'"),
    ],
)
def test_what_could_not_be_tested_at_any_step_is_said_at_once(
    benchmark: str, given: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        Validation(benchmark, lambda prompts, seeds: [], results=tmp_path, **{"variant": "sprites", **given})
    assert not list(tmp_path.iterdir())


def test_weights_have_a_digest_wherever_they_lie() -> None:
    one = {"b": torch.arange(3), "a": torch.ones(2, 2, dtype=torch.bfloat16), "c": torch.tensor(1.5), "d": "text"}
    same = {name: one[name] for name in sorted(one)}
    assert weights_digest(one) == weights_digest(same)
    assert weights_digest({**one, "b": torch.arange(3) + 1}) != weights_digest(one)
    assert weights_digest({**one, "b": torch.arange(3).float()}) != weights_digest(one)


def test_a_trainer_s_callback_hears_of_everything(tmp_path: Path) -> None:
    hears = Validation("geneval", lambda prompts, seeds: [], every=9, results=tmp_path, **ASKED).for_trainer()
    assert hears.on_log(None, None, None, logs={}) is None
    with pytest.raises(AttributeError):
        _ = hears.state


@pytest.mark.slow
def test_the_trainer_of_transformers_calls_it(tmp_path: Path, reference: Path) -> None:
    pytest.importorskip("accelerate")
    from transformers import Trainer, TrainingArguments

    class Loss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net()

        def forward(self, x: torch.Tensor, labels: torch.Tensor | float = 0.0) -> dict[str, torch.Tensor]:
            found = self.net(x)
            return {"loss": (found - labels).square().mean(), "logits": found}

    def trained(callbacks: Any) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        model = Loss()
        rows = [{"x": torch.randn(4), "labels": torch.randn(1)} for _ in range(16)]
        arguments = TrainingArguments(
            str(tmp_path / "out"), max_steps=4, per_device_train_batch_size=4, save_strategy="no", report_to=[],
            use_cpu=True, disable_tqdm=True, seed=3,
        )  # fmt: skip
        Trainer(model, arguments, train_dataset=rows, callbacks=callbacks(model)).train()
        return model.state_dict()

    kinds: dict[str, Any] = {"every": 2, "against": reference, "results": tmp_path, "strict": True, **ASKED}
    with_it = trained(lambda model: [Validation("geneval", Drawing(model), model=model, **kinds).for_trainer()])
    without = trained(lambda model: [])
    assert all(torch.equal(with_it[name], without[name]) for name in without)
    assert len(list(tmp_path.glob("runs/geneval/training-*"))) == 2


@pytest.mark.parametrize(
    ("kind", "stage", "refused"),
    [("FSDP", 0, True), ("DEEPSPEED", 3, True), ("DEEPSPEED", 2, False), ("MULTI_GPU", 0, False)],
)
def test_a_model_of_which_each_process_has_a_part_is_refused(
    kind: str, stage: int, refused: bool, tmp_path: Path
) -> None:
    state = SimpleNamespace(deepspeed_plugin=SimpleNamespace(zero_stage=stage))
    accelerator = SimpleNamespace(distributed_type=f"DistributedType.{kind}", state=state)
    kinds: dict[str, Any] = {"every": 1, "accelerator": accelerator, "results": tmp_path, **ASKED}
    with pytest.raises(UsageError, match="a part of the weights") if refused else nullcontext():
        Validation("geneval", lambda prompts, seeds: [], **kinds)


def _process(rank: int, port: int, folder: Path, reference: Path, tested: bool) -> None:
    """One of two that train together. The model that samples are made with is the one that waits for others."""
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in told.items()})
    import accelerate

    torch.manual_seed(rank)
    accelerator = accelerate.Accelerator(cpu=True)
    model = Net()
    model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 0.1))
    drawing = Drawing(model)
    kinds: dict[str, Any] = {"every": 1, "against": reference, "results": folder / "results", "strict": True, **ASKED}
    validation = Validation("geneval", drawing, model=model, accelerator=accelerator, **kinds) if tested else None
    for step in range(1, 3):
        optimizer.zero_grad()
        accelerator.backward(model(torch.rand(8, 4)).square().mean())
        optimizer.step()
        if validation is not None:
            validation(step)
    torch.save((accelerator.unwrap_model(model).state_dict(), drawing.calls), folder / f"{rank}-{tested}.pt")


@pytest.mark.slow
def test_with_accelerate_in_two_processes_the_main_one_tests_and_none_hangs(tmp_path: Path, reference: Path) -> None:
    pytest.importorskip("accelerate")
    for tested in (True, False):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        context = multiprocessing.get_context("spawn")
        asked = [(rank, port, tmp_path, reference, tested) for rank in range(2)]
        processes = [context.Process(target=_process, args=each) for each in asked]
        for process in processes:
            process.start()
        for process in processes:
            process.join(600)
        codes = [process.exitcode for process in processes]
        for process in processes:
            process.kill()
        assert codes == [0, 0]
    found = {path.stem: torch.load(path) for path in tmp_path.glob("*.pt")}
    main, other, plain, plain_other = (found[f"{rank}-{tested}"] for tested in (True, False) for rank in range(2))
    assert all(torch.equal(main[0][name], plain[0][name]) for name in plain[0])
    assert all(torch.equal(other[0][name], plain_other[0][name]) for name in plain[0])
    assert main[1] >= 2
    assert other[1] == 0
    assert len(list((tmp_path / "results").glob("runs/geneval/training-*"))) == 2


@pytest.mark.slow
def test_with_accelerate(tmp_path: Path, reference: Path) -> None:
    accelerate = pytest.importorskip("accelerate")

    def looped(make: Any) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        accelerator = accelerate.Accelerator(cpu=True)
        model = Net()
        model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 0.1))
        validation = make(accelerator, model)
        for step in range(1, 3):
            optimizer.zero_grad()
            accelerator.backward(model(torch.rand(8, 4)).square().mean())
            optimizer.step()
            validation(step)
        found: dict[str, torch.Tensor] = accelerator.unwrap_model(model).state_dict()
        return found

    kinds: dict[str, Any] = {"every": 1, "against": reference, "results": tmp_path, "strict": True, **ASKED}

    def with_it(accelerator: Any, model: Any) -> Validation:
        return Validation("geneval", Drawing(model), model=model, accelerator=accelerator, **kinds)

    found, plain = looped(with_it), looped(lambda accelerator, model: lambda step: None)
    assert all(torch.equal(found[name], plain[name]) for name in plain)
    assert len(list(tmp_path.glob("runs/geneval/training-*"))) == 2
