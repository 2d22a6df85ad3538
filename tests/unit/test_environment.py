"""Which devices a run can be asked for: those that are on the machine, by torch's names."""

from __future__ import annotations

import platform
import sys
from contextlib import suppress

import pytest

from nova_eval import environment
from nova_eval.errors import UsageError


@pytest.mark.parametrize(
    ("found", "known", "line"),
    [
        ([], ["auto", "cpu"], "here are auto, cpu"),
        (["one", "another"], ["auto", "cpu", "cuda", "cuda:0", "cuda:1"], "here are auto, cpu, cuda, cuda:0, cuda:1"),
    ],
)
def test_a_device_is_known_when_it_is_here(
    found: list[str], known: list[str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "devices", lambda: found)
    for name in known:
        environment.known_device(name)
    for name in ("gpu", "CPU", "cuda:2", "cuda:x", ""):
        with pytest.raises(UsageError, match=line):
            environment.known_device(name)


def test_torch_is_not_imported_where_no_driver_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_DRIVERS", ())
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not environment.has_cuda()


def test_arithmetic_is_set_in_a_block_and_set_back() -> None:
    torch = pytest.importorskip("torch")

    def now() -> tuple[bool, bool]:
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    with environment.arithmetic(tf32=True):
        assert now() == (True, False)
        torch.backends.cuda.matmul.allow_tf32 = True  # as a script of a user's might
        with suppress(KeyError), environment.arithmetic(tf32=False):
            assert now() == (False, False)
            raise KeyError
        assert now() == (True, True)


def test_arithmetic_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with environment.arithmetic(tf32=False):
        assert "torch" not in sys.modules


def test_a_device_is_spoilt_once_it_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    assert not environment.device_is_spoilt()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    assert not environment.device_is_spoilt()

    def fail() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "synchronize", fail)
    assert environment.device_is_spoilt()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_kept_memory_is_not_fetched_again() -> None:
    import resource

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        bytearray(64 << 20)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    environment.keep_memory()
    faults()
    assert faults() < 1000  # of 16384 pages


@pytest.mark.skipif(sys.platform != "linux", reason="settings of glibc")
@pytest.mark.parametrize(("most", "kept"), [(1 << 62, 1 << 30), (32 << 20, 32 << 20)])
def test_where_so_much_is_refused_as_much_as_is_taken_is_kept(
    most: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: dict[int, int] = {}

    class Library:
        @staticmethod
        def mallopt(setting: int, value: int) -> int:
            if setting == -3 and value > most:
                return 0
            taken[setting] = value
            return 1

    monkeypatch.setattr("ctypes.CDLL", lambda name: Library)
    environment.keep_memory()
    assert taken == {-1: 1 << 30, -3: kept}
