"""What SECURITY.md promises of runs on Ray."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nova_eval
from nova_eval.engines.ray_post import Post

PACKAGE = Path(nova_eval.__file__).parent
_UNPICKLE = {"pickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
_CLUSTER = """
import json, os, subprocess, sys, time
from pathlib import Path
from nova_eval.engines import ray_link

def family(pid):
    found = [pid]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                facts = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(facts[1]) == pid:
                found += family(int(entry.name))
    return found

def listening(pids):
    inodes = set()
    for pid in pids:
        for number in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(number)[8:-1])
            except OSError:
                pass
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes]

STRANGER = '''
import sys
from ray._raylet import GcsClient
GcsClient(address=sys.argv[1]).get_all_job_info(timeout=20)
'''
def stranger(**environ):
    return subprocess.run([sys.executable, "-c", STRANGER, address], env={**os.environ, **environ},
                          capture_output=True, text=True, timeout=120)

home = Path.home()
found = {}
for turn in ("first", "second"):
    assert ray_link.connect("")
    import ray
    from ray._private.worker import global_worker
    address = ray.get_runtime_context().gcs_address
    found.setdefault("tokens", []).append(os.environ["RAY_AUTH_TOKEN"])
    ray.get(ray.remote(lambda: 1).remote())
    pids = family(os.getpid())
    found.setdefault("listening", []).extend(listening(pids))
    if turn == "first":
        [job] = global_worker.gcs_client.get_all_job_info().values()
        found["environment sent"] = job.config.runtime_env_info.serialized_runtime_env
        wrong = stranger(RAY_AUTH_TOKEN="0" * 64, RAY_AUTH_MODE="token")
        found["stranger"] = [wrong.returncode, wrong.stderr[-2000:]]
        found["friend"] = stranger(RAY_AUTH_MODE="token").returncode
        found["processes"] = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids]
    ray_link.leave()
    time.sleep(1.0)
    found.setdefault("left", []).extend(pid for pid in pids[1:] if Path(f"/proc/{pid}/stat").exists())
found["token after"] = os.environ.get("RAY_AUTH_TOKEN")
found["reports"] = os.environ["RAY_USAGE_STATS_ENABLED"]
found["home"] = sorted(str(path) for path in home.rglob("*"))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is seen of two clusters, one after the other, that a process starts for itself."""
    pytest.importorskip("ray", reason="Ray is not installed")
    if sys.platform != "linux":
        pytest.skip("asks /proc who listens")
    home = tmp_path_factory.mktemp("home")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environ |= {"HOME": str(home), "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", _CLUSTER], env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_a_cluster_of_this_machine_listens_to_it_alone(cluster: dict[str, Any]) -> None:
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert len(cluster["listening"]) > 4
    assert set(cluster["listening"]) <= loopback


@pytest.mark.slow
def test_who_has_not_its_token_is_not_let_in(cluster: dict[str, Any]) -> None:
    code, said = cluster["stranger"]
    assert code != 0
    assert "authenticat" in said.lower()
    assert cluster["friend"] == 0
    first, second = cluster["tokens"]
    assert len(first) == len(second) == 64
    assert first != second
    assert cluster["token after"] is None
    assert not any("auth_token" in path for path in cluster["home"])


@pytest.mark.slow
def test_it_has_no_dashboard_and_ends_with_the_run(cluster: dict[str, Any]) -> None:
    pages = [words for words in cluster["processes"] if "dashboard.py" in words and "--disable-frontend" not in words]
    assert pages == []
    assert cluster["left"] == []


@pytest.mark.slow
def test_no_environment_and_no_code_is_sent_and_nothing_reported(cluster: dict[str, Any]) -> None:
    from ray import cloudpickle

    assert cluster["environment sent"] == "{}"
    assert cluster["reports"] == "0"
    named = cloudpickle.dumps(Post)
    assert len(named) < 100
    assert b"nova_eval.engines.ray_post" in named


def test_nothing_that_unpickles_is_imported_but_where_archives_of_weights_are_converted() -> None:
    """``weights/archives.py`` reads tensors, with inert stand-ins for all else; the fuzzer makes hostile files."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text()
        if any(name in text for name in _UNPICKLE):
            nodes = list(ast.walk(ast.parse(text)))
            names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
            if {name.partition(".")[0] for name in names} & _UNPICKLE:
                found.add(path.relative_to(PACKAGE).as_posix())
    assert found == {"checks/bench/fuzz/checkpoints.py", "weights/archives.py", "weights/loading.py"}
