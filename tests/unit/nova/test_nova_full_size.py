"""The released video model's size on an ordinary machine: built, saved, read from its own folder, and sampled."""

import json
import subprocess
import sys

import pytest

SCRIPT = r"""
import json, resource, sys, time
from pathlib import Path
import torch
from nova_eval.nova import checkpoint
from nova_eval.nova.config import RELEASED
from nova_eval.nova.pipeline import NovaPipeline
from nova_eval.nova.schedule import DDPM
from nova_eval.nova.vae import build_vae, save_vae

sys.path.insert(0, sys.argv[2])
from nova_checkpoints import VIDEO_VAE, write_text_encoder

folder, marks, started = Path(sys.argv[1]), {}, time.perf_counter()


def mark(name):
    marks[name] = round(time.perf_counter() - started, 1)


model = checkpoint.build(RELEASED["nova-d48w1024-osp480"], seed=0)
mark("build")
checkpoint.save_transformer(model, folder / "transformer")
del model
schedule = DDPM(beta_schedule="squaredcos_cap_v2")
checkpoint.save_schedule(schedule, folder / "scheduler")
vae = VIDEO_VAE | {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2}
save_vae(build_vae(vae, seed=1), folder / "vae")
write_text_encoder(folder, width=2560, heads=32)
checkpoint.save_index(folder, "AutoencoderKLOpenSora", schedule)
mark("save")
pipe = NovaPipeline.from_pretrained(folder, device="cpu")
mark("load")
[image] = pipe.generate(["a red fox runs through snow"], [1], ar_steps=2, diffusion_steps=4, guidance_scale=7.0)
mark("sample")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"shape": image.shape, "peak_bytes": peak, "seconds": marks, "stages": pipe.times.seconds}))
"""


@pytest.mark.slow
def test_the_video_model_of_600_million_parameters_fits_24_gib(tmp_path, request):
    here = str(request.config.rootpath / "tests")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), here], capture_output=True, text=True, check=False, timeout=3000
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    print(figures)
    assert figures["shape"] == [1, 480, 768, 3]
    assert figures["peak_bytes"] < 24 * 2**30
