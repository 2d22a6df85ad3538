"""The engine on Ray: which clusters it takes, and which nodes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from nova_eval import environment
from nova_eval.engines.ray import Places, _gone, on_ray
from nova_eval.engines.ray_link import connect
from nova_eval.engines.units import Ended, Fault, SampleUnit
from nova_eval.errors import PrerequisiteError, UsageError


def test_a_client_s_address_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(UsageError, match="--address auto"):
        connect("ray://somewhere:10001")


def test_the_package_that_is_missing_is_named(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nova_eval.packages.find_spec", lambda name: None)
    with pytest.raises(PrerequisiteError, match=r"--engine ray needs the package 'ray'.*nova_eval\[ray\]"):
        on_ray(world("fine").job, Places())


def test_what_is_compared_between_nodes_is_the_same_at_every_look() -> None:
    found = environment.fingerprint()
    assert found == environment.fingerprint()
    assert {"nova_eval", "its code", "python", "torch", "numpy", "av"} <= found.keys()


def test_why_an_actor_is_gone_is_told_apart() -> None:
    class OutOfMemoryError(Exception):
        """As Ray's own is called."""

    short = Ended("the worker was ended: its node ran out of memory", memory=True)
    assert _gone(OutOfMemoryError("Task was killed"), dead=False) == short
    assert _gone(RuntimeError("The actor died: the node was running low on memory"), dead=True) == short
    assert _gone(RuntimeError("its node died"), dead=True) == Ended("the worker's node or actor is gone", True)
    assert _gone(RuntimeError("no pickle"), dead=False) == Fault("the worker failed: RuntimeError: no pickle", True)


@pytest.mark.slow
def test_a_node_where_something_differs_does_no_work_and_both_are_named(
    world: Any, ray_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = environment.fingerprint()
    monkeypatch.setattr(environment, "fingerprint", lambda: own | {"numpy": "0.1"})
    here, said = world("fine"), []
    differs = pytest.raises(PrerequisiteError, match=rf"numpy is {own['numpy']}, here 0\.1; install the same")
    with on_ray(here.job, Places(1), say=said.append) as engine, differs:
        list(engine.run(iter([SampleUnit(here.keys)])))
    assert len(said) == 1
    assert here.sampled() == {}


_SIGNALS = """
import os, signal
from nova_eval.engines import ray_link

heard = []
signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
assert ray_link.connect("")
os.kill(os.getpid(), signal.SIGTERM)
ray_link.leave()
os.kill(os.getpid(), signal.SIGTERM)
print(len(heard))
"""


@pytest.mark.slow
def test_sigterm_is_the_command_s_while_it_is_connected_and_after(world: Any) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    done = subprocess.run([sys.executable, "-c", _SIGNALS], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr
