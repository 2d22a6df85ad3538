"""A run is determined by its configuration: it survives kill -9, and leaves checkpoints that open unchanged."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training_runs import settings

from nova_eval.errors import UsageError
from nova_eval.nova.checkpoint import WEIGHTS, load_transformer
from nova_eval.nova.pipeline import NovaPipeline
from nova_eval.nova.training import loop, run
from nova_eval.nova.training.cache import Batch
from nova_eval.nova.training.config import TrainConfig, load_config
from nova_eval.nova.training.devices import Devices
from nova_eval.nova.training.loop import Objective, _Training, batch_ids, read_losses, train
from nova_eval.nova.training.objective import Losses, losses
from nova_eval.nova.training.sheets import Live
from nova_eval.records import Prompt


def make_config(root: Path, output: Path, **changes: Any) -> TrainConfig:
    return TrainConfig.model_validate(settings(root, output=str(output), **changes))


def weights(folder: Path) -> dict[str, Tensor]:
    return load_transformer(folder / "transformer", dtype=torch.float32, device="cpu").state_dict()


def train_until_killed(config: TrainConfig, step: int) -> None:
    """Trains in a child process that is killed (SIGKILL) in the middle of the ``step``-th update it makes."""
    child = os.fork()
    if child == 0:
        made = 0
        log = _Training._log_step

        def log_then_die(self: _Training, *args: Any) -> None:
            nonlocal made
            log(self, *args)
            made += 1
            if made == step:
                os.kill(os.getpid(), signal.SIGKILL)

        _Training._log_step = log_then_die  # type: ignore[method-assign]
        try:
            train(config)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_three_kills_change_nothing(root: Path, tmp_path: Path) -> None:
    undisturbed = make_config(root, tmp_path / "undisturbed")
    expected = weights(train(undisturbed))
    killed = make_config(root, tmp_path / "killed")
    for step in (6, 7, 9):  # in the first stage, again, and in the second
        train_until_killed(killed, step)
    found = weights(train(killed))
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    rows = [list(read_losses(tmp_path / name / "losses.jsonl")) for name in ("undisturbed", "killed")]
    for row in [*rows[0], *rows[1]]:
        del row["seconds"]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 22


def test_a_kill_loses_no_more_than_the_interval(root: Path, tmp_path: Path) -> None:
    config = make_config(root, tmp_path / "run")
    train_until_killed(config, 6)  # saved after 4
    said: list[str] = []
    train(config, say=said.append)
    assert "continuing after step 4 of stage 1" in said


def test_a_torn_line_in_the_log_is_left_out(root: Path, tmp_path: Path) -> None:
    config = make_config(root, tmp_path / "run", stages=[settings(root)["stages"][0]])
    train(config)
    log = tmp_path / "run" / "losses.jsonl"
    log.write_text(log.read_text() + '{"stage": "t2i", "st')
    assert [row["step"] for row in read_losses(log)] == list(range(12))


def test_a_line_torn_by_a_kill_costs_no_other_line(root: Path, tmp_path: Path) -> None:
    config = make_config(root, tmp_path / "run", stages=[settings(root)["stages"][0]])
    train_until_killed(config, 6)
    with (tmp_path / "run" / "losses.jsonl").open("a") as log:
        log.write('{"stage": "t2i", "st')
    train(config)
    assert sorted(row["step"] for row in read_losses(tmp_path / "run" / "losses.jsonl")) == list(range(12))


def told_scores(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The motion scores that the model is told of two clips of 1 and 2, of which the second is a slow one."""
    told: list[float] = []

    def keep(*args: Any, flow: list[float], **kwargs: Any) -> Losses:
        told.extend(flow)
        return losses(*args, flow=flow, **kwargs)

    monkeypatch.setattr(loop, "losses", keep)
    training = _Training(config, Devices(config), resume=False, say=lambda _: None)
    texts = [torch.zeros(1, training.model.config.text_token_dim)] * 2
    batch = Batch(torch.zeros(2, 4, 2, 8, 8), texts, [1.0, 2.0], [True, False])
    Objective(training.model, training.schedule, config)(batch, torch.Generator())
    return told


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [1.0, 2.0]),
        ({"flow_dropout": 1.0}, [5.0, 2.0]),  # a slow clip always tells its score
        ({"text_dropout": 1.0}, [1.0, 2.0]),
        ({"text_dropout": 1.0, "flow_needs_text": True}, [2.0, 1.0]),
        ({"text_dropout": 0.0, "flow_needs_text": True}, [1.0, 2.0]),
    ],
)
def test_which_motion_scores_are_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], expected: list[float]
) -> None:
    assert told_scores(make_config(root, tmp_path / "run", **changes), monkeypatch) == expected


def test_losses_fall(root: Path, tmp_path: Path) -> None:
    stage = {**settings(root)["stages"][0], "steps": 60, "base_learning_rate": 0.2}
    train(make_config(root, tmp_path / "run", stages=[stage]))
    values = [row["loss"] for row in read_losses(tmp_path / "run" / "losses.jsonl")]
    assert sum(values[-10:]) < 0.75 * sum(values[:10])


def test_checkpoints_open_and_sample(root: Path, tmp_path: Path) -> None:
    config = make_config(
        root,
        tmp_path / "run",
        checkpoint_every=5,
        sample_every=10,
        sample_prompts=["a circle"],
        sample={"ar_steps": 2, "diffusion_steps": 2},
    )
    last = train(config)
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["t2i", "t2i-000005", "t2i-000010", "t2v", "t2v-000005"]
    assert sorted(path.name for path in (tmp_path / "run" / "samples").iterdir()) == [
        "t2i-000010.png",
        "t2v-000010.png",
    ]
    pipe = NovaPipeline.from_pretrained(last, device="cpu", offline=True)
    [clip] = pipe.generate(["a circle"], [1], latent_frames=3, ar_steps=2, diffusion_steps=2)
    assert clip.shape == (9, 64, 64, 3)


def test_training_starts_from_given_weights(root: Path, tmp_path: Path) -> None:
    """Weights whose name and shape agree are taken; the layers of video are new."""
    images = {**settings(root)["transformer"], "video_base_size": [1, 2, 2], "video_mixer_rank": None}
    stages = settings(root)["stages"]
    first = train(make_config(root, tmp_path / "images", transformer=images, stages=stages[:1]))
    frozen = [{**stages[1], "base_learning_rate": 0.0, "steps": 1}]
    second = train(make_config(root, tmp_path / "video", initial=str(first), stages=frozen))
    before, after = weights(first), weights(second)
    assert before.keys() < after.keys()
    assert all(torch.allclose(after[name], tensor) for name, tensor in before.items())


@pytest.fixture
def fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps its settings for the life of a process; a test that changes them starts and ends clean."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


@pytest.mark.usefixtures("fresh_accelerator")
def test_accelerate_makes_the_same_steps(root: Path, tmp_path: Path) -> None:
    stages = settings(root)["stages"]
    plain = weights(train(make_config(root, tmp_path / "plain", stages=stages[1:])))
    wrapped = weights(train(make_config(root, tmp_path / "wrapped", stages=stages[1:], accelerate=True)))
    assert all(torch.allclose(wrapped[name], tensor, atol=1e-6) for name, tensor in plain.items())


@pytest.mark.usefixtures("fresh_accelerator")
def test_brain_floats_train(root: Path, tmp_path: Path) -> None:
    stages = settings(root)["stages"]
    train(make_config(root, tmp_path / "run", stages=stages[1:], mixed_precision="bf16"))
    plain = make_config(root, tmp_path / "plain", stages=stages[1:])
    train(plain)
    losses = [[row["loss_t2i"] for row in read_losses(tmp_path / name / "losses.jsonl")] for name in ("run", "plain")]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


def test_figures_go_to_tensorboard(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    stage = {**settings(root)["stages"][0], "steps": 2}
    train(make_config(root, tmp_path / "run", stages=[stage], tensorboard=True))
    [events] = (tmp_path / "run" / "tensorboard").iterdir()
    assert b"t2i/loss" in events.read_bytes()


class TestRefusals:
    def test_state_of_another_configuration(self, root: Path, tmp_path: Path) -> None:
        stages = settings(root)["stages"][:1]
        train(make_config(root, tmp_path / "run", stages=stages))
        with pytest.raises(UsageError, match="another configuration"):
            train(make_config(root, tmp_path / "run", stages=stages, seed=1))
        train(make_config(root, tmp_path / "run", stages=stages, seed=1), resume=False)

    def test_more_frames_than_the_data_has(self, root: Path, tmp_path: Path) -> None:
        stage = {**settings(root)["stages"][0], "latent_frames": 3}
        with pytest.raises(UsageError, match="wants 3 latent frames, its data has 1"):
            train(make_config(root, tmp_path / "run", stages=[stage]))

    def test_unknown_data(self, root: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="wants data 'nothing'"):
            make_config(root, tmp_path, stages=[{"name": "a", "data": "nothing", "steps": 1, "batch": 1}])

    def test_misspelt_key(self, tmp_path: Path) -> None:
        (tmp_path / "train.toml").write_text('output = "x"\nbatchsize = 3\n')
        with pytest.raises(UsageError, match=r"train\.toml"):
            run(tmp_path / "train.toml")

    def test_a_file_may_extend_another(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "base.toml").write_text('output = "base"\nparts = "p"\nseed = 3\ntransformer = {}\n')
        (tmp_path / "own.toml").write_text(
            'extends = "base.toml"\noutput = "own"\ndata.a.source = "sprites"\n'
            '[[stages]]\nname = "a"\ndata = "a"\nsteps = 1\nbatch = 1\n'
        )
        config = load_config(tmp_path / "own.toml")
        assert (config.seed, config.parts, config.output) == (3, Path("p"), Path("own"))

    def test_a_file_that_extends_itself(self, tmp_path: Path) -> None:
        (tmp_path / "a.toml").write_text('extends = "b.toml"\n')
        (tmp_path / "b.toml").write_text('extends = "a.toml"\n')
        with pytest.raises(UsageError, match=r"a\.toml extends itself"):
            load_config(tmp_path / "a.toml")


def test_a_stage_may_end_before_its_schedule_does(root: Path, tmp_path: Path) -> None:
    stage = {"name": "t2i", "data": "images", "steps": 6, "batch": 4, "base_learning_rate": 0.06, "decay": "cosine"}
    whole = make_config(root, tmp_path / "whole", stages=[stage], checkpoint_every=3)
    train(whole)
    part = train(make_config(root, tmp_path / "part", stages=[{**stage, "stop": 3}]))
    for name, value in weights(tmp_path / "whole" / "checkpoints" / "t2i-000003").items():
        assert torch.equal(value, weights(part)[name])


def test_a_killed_run_under_muon_ends_like_an_undisturbed_one(root: Path, tmp_path: Path) -> None:
    stages = [{"name": "t2i", "data": "images", "steps": 6, "batch": 4, "matrix_learning_rate": 0.05, "loss_repeat": 2}]
    expected = weights(train(make_config(root, tmp_path / "undisturbed", stages=stages, optimizer="muon")))
    killed = make_config(root, tmp_path / "killed", stages=stages, optimizer="muon", save_every=2)
    train_until_killed(killed, 3)
    found = weights(train(killed))
    assert all(torch.equal(found[name], value) for name, value in expected.items())


class TestOrder:
    def test_every_clip_once_an_epoch(self) -> None:
        ids = [i for step in range(6) for i in batch_ids(9, 6, step, seed=0, stage=0)]
        epochs = [ids[start : start + 9] for start in range(0, 36, 9)]
        assert all(sorted(epoch) == list(range(9)) for epoch in epochs)
        assert epochs[0] != epochs[1]

    def test_batches_larger_than_the_material(self) -> None:
        assert sorted(batch_ids(3, 7, 0, seed=0, stage=0))[:2] == [0, 0]


class TestValidation:
    @pytest.mark.slow
    def test_it_is_called_with_the_steps_of_all_stages_and_changes_nothing(self, root: Path, tmp_path: Path) -> None:
        stages = [{**stage, "steps": 3} for stage in settings(root)["stages"]]
        called: list[tuple[int, int]] = []

        def validating(live: Live) -> Callable[[int], object]:
            def validate(step: int) -> None:
                [clip] = live.sample([Prompt("t/1", "a red circle")], [7])
                called.append((step, len(clip)))
                assert live.state_dict()

            return validate

        asked = {"benchmark": "geneval", "every": 2, "sample": {"ar_steps": 2, "diffusion_steps": 2}}
        train(make_config(root, tmp_path / "plain", stages=stages))
        train(make_config(root, tmp_path / "run", stages=stages, validation=asked), validating=validating)
        assert called == [(2, 1), (4, 1), (6, 1)]
        states = [
            (tmp_path / name / "checkpoints" / "t2v" / "transformer" / WEIGHTS).read_bytes()
            for name in ("run", "plain")
        ]
        assert states[0] == states[1]

    def test_without_somebody_who_tests(self, root: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="validation"):
            train(make_config(root, tmp_path / "run", validation={"benchmark": "geneval", "every": 2}))
        assert not (tmp_path / "run").exists()
