"""What SECURITY.md promises of a server and its clients, beside what hostile clients try."""

from __future__ import annotations

import ast
import inspect
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

import nova_eval
from nova_eval.cli.serving import serve
from nova_eval.errors import NovaEvalError
from nova_eval.samplers.http import HttpSampler
from nova_eval.service import body, door
from nova_eval.service.app import App
from nova_eval.service.bounds import Bounds
from nova_eval.service.door import Door
from nova_eval.service.line import Line

TOKEN = "0123456789abcdef0123"
OF_STRANGERS = ("service", "client.py", "calls.py", "samplers/http.py")
PACKAGE = Path(nova_eval.__file__).parent


class Deed:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._folder),)


def test_a_server_listens_at_this_machine_alone_by_default() -> None:
    host = inspect.signature(serve).parameters["host"].default
    assert host == "127.0.0.1"
    door.check_host(host, "")


@pytest.mark.parametrize("said", ["", "Bearer", f"Bearer {TOKEN}", f"Bearer {TOKEN[:-1]}x", f"Bearer {TOKEN * 100}"])
def test_tokens_are_compared_in_constant_time(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is said, two digests are compared, in a time that does not depend on where they differ."""
    compared: list[tuple[int, int]] = []
    own = door.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return own(one, other)

    monkeypatch.setattr(door, "compare_digest", compare)
    refusal = Door(TOKEN).refusal({"authorization": said})
    assert compared == [(32, 32)]
    assert (refusal is None) == (said == f"Bearer {TOKEN}")
    assert TOKEN not in str(vars(Door(TOKEN)))


def test_bytes_of_all_requests_together_are_bounded() -> None:
    line: Line[None] = Line(lambda content, form: None, Bounds(queue=10, held_bytes=100))
    places = [line.enter(size) for size in (60, 41, 40, 1)]
    assert [place is not None for place in places] == [True, False, True, False]
    assert line.bytes == 100
    assert places[0] is not None
    line.leave(places[0])
    line.leave(places[0])
    assert line.bytes == 40
    assert line.enter(60) is not None
    line.close()


def test_bounds_of_a_server_are_told_to_clients_and_no_token() -> None:
    class Judges:
        replaced = 0

        def told(self) -> list[dict[str, Any]]:
            return []

        def __call__(self, content: bytearray, form: str) -> Any:
            raise AssertionError

    app = App(Judges(), Door(TOKEN), Bounds(body_bytes=7), print)
    assert '"body_bytes": 7' in app._told
    assert TOKEN not in app._told
    app.line.close()


@pytest.mark.parametrize("form", [body.JSON, body.TENSORS, "application/octet-stream", "application/x-python-pickle"])
def test_a_pickle_is_not_unpickled(form: str, tmp_path: Path) -> None:
    content = pickle.dumps(Deed(tmp_path / "made"))
    for sent in (content, len(content).to_bytes(8, "little") + content):
        with pytest.raises(NovaEvalError):
            body.read(bytearray(sent), form)
    assert not (tmp_path / "made").exists()
    pickle.loads(content)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("place", OF_STRANGERS)
def test_nothing_that_unpickles_is_imported_where_strangers_are_read(place: str) -> None:
    path = PACKAGE / place
    imported = set()
    for file in [path] if path.is_file() else path.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    assert imported
    assert not imported & {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "torch"}


@pytest.mark.parametrize("address", ["http://me:secret@example.org", "http://example.org/?key=secret", "file:///x", ""])
def test_an_address_that_holds_more_than_an_address_is_refused(address: str) -> None:
    with pytest.raises(NovaEvalError) as caught:
        HttpSampler(address, model="m")
    assert "secret" not in str(caught.value)
