"""Questions to the official ``vbench`` package: files put where it looks for them, answers read as they come."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nova_eval import reading, weights
from nova_eval.adapters.sources import Source, locate
from nova_eval.checks.crosscheck.installation import Environment
from nova_eval.checks.crosscheck.options import Package
from nova_eval.errors import NovaEvalError, UsageError
from nova_eval.packages import missing
from nova_eval.weights.catalogue import FOLDER_VARIABLE

SCRIPT = Path(__file__).with_name("official_vbench.py")

_DINO = "dino_model/facebookresearch_dino_main"
_GRIT = {"grit_b": "grit_model/grit_b_densecap_objectdet.pth"}
_VICLIP = {"viclip_l14": "ViCLIP/ViClip-InternVid-10M-FLT.pth"}
FILES: Mapping[str, Mapping[str, str]] = {
    "subject_consistency": {"dino_vitb16": "dino_model/dino_vitbase16_pretrain.pth"},
    "background_consistency": {"clip_vit_b32": "clip_model/ViT-B-32.pt"},
    "temporal_flickering": {},
    "motion_smoothness": {"amt_s": "amt_model/amt-s.pth"},
    "dynamic_degree": {"raft_things": "raft_model/models/raft-things.pth"},
    "aesthetic_quality": {
        "clip_vit_l14": "clip_model/ViT-L-14.pt",
        "laion_aesthetic_head": "aesthetic_model/emb_reader/sa_0_4_vit_l_14_linear.pth",
    },
    "imaging_quality": {"musiq_spaq": "pyiqa_model/musiq_spaq_ckpt-358bb6af.pth"},
    "object_class": _GRIT,
    "multiple_objects": _GRIT,
    "human_action": {"umt_l16": "umt_model/l16_ptk710_ftk710_ftk400_f16_res224.pth"},
    "color": _GRIT,
    "spatial_relationship": _GRIT,
    "scene": {"tag2text_swin_14m": "caption_model/tag2text_swin_14m.pth"},
    "appearance_style": {"clip_vit_b32": "clip_model/ViT-B-32.pt"},
    "temporal_style": _VICLIP,
    "overall_consistency": _VICLIP,
}
"""Which weight files (names of ``weights.toml``) the package wants for a dimension, and where in its cache."""

_HUB_CHECKPOINT = "torch/hub/checkpoints/dino_vitbase16_pretrain.pth"  # where DINO's own loader looks
_MERGES = "bpe_simple_vocab_16e6.txt.gz"  # of CLIP's tokenizer, which open_clip carries as well
_BERT = "bert-base-uncased"  # a folder of this name in the working folder comes before the hub
_BERT_USERS = frozenset({"object_class", "multiple_objects", "color", "spatial_relationship", "scene"})
_DETECTRON2 = frozenset({"object_class", "multiple_objects", "color", "spatial_relationship"})

_DINO_FILES: Mapping[str, tuple[str, int]] = {
    "hubconf.py": ("fa80babf82c71d2123e23b05061eb1991a1fbc9877238f250b2a25023e910f72", 5653),
    "utils.py": ("962a97e1acda1c986dfd921275325e4083f9016dddadcf018f1ccf03fa600eab", 28039),
    "vision_transformer.py": ("b1f998d5f49ab43666b9fc6d007c5f6540c3ead2e8645e144f74045f63ff44d7", 11150),
}
DINO_CODE = tuple(
    Source(
        benchmark="vbench",
        role="network",
        repository="facebookresearch/dino",
        commit="7c446df5b9f45747937fb0d72314eb9f7b66930a",
        path=path,
        sha256=sha256,
        bytes=size,
        entries=0,
        licence="Apache-2.0",
    )
    for path, (sha256, size) in _DINO_FILES.items()
)
"""What the package clones for subject_consistency, at the commit that its main branch stands at."""


@contextmanager
def weights_in(folder: Path | None) -> Iterator[None]:
    """Weight files are looked for in ``folder`` first."""
    if folder is None:
        yield
        return
    if not folder.is_dir():
        raise UsageError(f"the folder of weights {folder} does not exist")
    before = os.environ.get(FOLDER_VARIABLE)
    os.environ[FOLDER_VARIABLE] = str(folder.absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[FOLDER_VARIABLE]
        else:
            os.environ[FOLDER_VARIABLE] = before


@dataclass(frozen=True, slots=True)
class OfficialCall:
    """A dimension and the package's list of prompts and videos for it, as it writes one itself."""

    dimension: str
    info: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class OfficialAnswer:
    """What the package says of a dimension: its score, a record a video, or in ``error`` why there is none.

    ``load`` is seconds before the first video, ``wall`` and ``cpu`` seconds a video.
    """

    dimension: str
    score: float | None = None
    videos: Sequence[Mapping[str, Any]] = ()
    error: str = ""
    load: float = 0.0
    wall: Sequence[float] = field(default=())
    cpu: Sequence[float] = field(default=())


def place_files(dimension: str, cache: Path, package: Package = Package()) -> str:
    """Links what the package wants for ``dimension`` into its cache folder. Why it cannot be had, or ""."""
    try:
        for name, place in FILES[dimension].items():
            _link(weights.locate(name), cache / place)
            if name == "dino_vitb16":
                _link(weights.locate(name), cache / _HUB_CHECKPOINT)
        if dimension == "subject_consistency":
            for source in DINO_CODE:
                _link(locate(source, mirror=package.mirror, offline=package.offline), cache / _DINO / source.path)
        if "viclip_l14" in FILES[dimension]:
            _link(_package("open_clip") / _MERGES, cache / "ViCLIP" / _MERGES)
        if dimension in _BERT_USERS:
            _link(weights.locate("bert_base_uncased_vocab"), cache / _BERT / "vocab.txt")
    except NovaEvalError as error:
        return str(error)
    return ""


def missing_package(dimension: str, environment: Environment) -> str:
    """Why the environment cannot run ``dimension``, or ""."""
    if dimension not in _DETECTRON2 or _imports(environment, "detectron2"):
        return ""
    return f"detectron2 is not in {environment.folder}; it only comes as source: install it there to compare this"


def ask(
    environment: Environment,
    questions: Sequence[OfficialCall],
    cache: Path,
    *,
    threads: int,
    log: Path,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[OfficialAnswer]:
    """The package's answers in order. It runs in a process of its own without network; ``log`` gets what it prints.

    A dimension at which the process dies is answered with that, and the others go on in a new one.
    """
    left = list(questions)
    while left:
        answers = cache / "answers.jsonl"
        answers.unlink(missing_ok=True)
        say(f"official package: {', '.join(question.dimension for question in left)} (its output: {log})")
        with log.open("ab") as talk:
            done = subprocess.run(
                command(environment, left, cache, threads=threads, turns=False, answers=answers),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=talk,
                env=surroundings(cache, threads),
                cwd=cache,
                check=False,
            )
        found = read_answers(answers)
        yield from found
        left = left[len(found) :]
        if left:
            yield OfficialAnswer(
                left[0].dimension, error=f"the official process ended with code {done.returncode}; see {log}"
            )
            left = left[1:]


def command(
    environment: Environment,
    questions: Sequence[OfficialCall],
    cache: Path,
    *,
    threads: int,
    turns: bool,
    answers: Path,
) -> list[str]:
    """The command line that answers ``questions``; writes the request that it names."""
    info = {}
    for question in questions:
        info[question.dimension] = str(cache / f"{question.dimension}.json")
        Path(info[question.dimension]).write_text(json.dumps(list(question.info)), encoding="utf-8")
    names = [question.dimension for question in questions]
    row = {"dimensions": names, "info": info, "threads": threads, "device": "cpu", "turns": turns}
    request = cache / "request.json"
    request.write_text(json.dumps(row), encoding="utf-8")
    return [str(environment.python), str(SCRIPT), str(request), str(answers)]


def surroundings(cache: Path, threads: int) -> dict[str, str]:
    """Environment variables under which the package finds its files and nothing else."""
    own = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONHOME"}}
    nowhere = "http://127.0.0.1:9"
    return {
        **own,
        "VBENCH_CACHE_DIR": str(cache),
        "TORCH_HOME": str(cache / "torch"),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",  # the package was written for torch below 2.6
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": str(threads),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere),
        "no_proxy": "",
    }


def read_answers(path: Path) -> list[OfficialAnswer]:
    """Whole answers in the order in which they came; a torn last line is none."""
    if not path.exists():
        return []
    whole = reading.text(path).rpartition("\n")[0]
    return [answer for _, answer in reading.json_lines(whole, str(path), OfficialAnswer)]


def _imports(environment: Environment, module: str) -> bool:
    probe = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return subprocess.run([str(environment.python), "-c", probe], capture_output=True, check=False).returncode == 0


def _package(name: str) -> Path:
    """The folder of an installed package, without importing it."""
    found = find_spec(name)
    if found is None or found.origin is None:
        raise missing(name, "crosscheck")
    return Path(found.origin).parent


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(source.absolute())
