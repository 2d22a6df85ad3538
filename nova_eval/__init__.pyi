from nova_eval import errors as errors
from nova_eval.api.comparing import Comparison as Comparison
from nova_eval.api.deciding import Decision as Decision
from nova_eval.api.deciding import run_until_decided as run_until_decided
from nova_eval.api.opened import OpenRun as OpenRun
from nova_eval.api.opened import list_runs as list_runs
from nova_eval.api.opened import open_run as open_run
from nova_eval.api.opened import reference as reference
from nova_eval.api.parts import benchmarks as benchmarks
from nova_eval.api.parts import judge as judge
from nova_eval.api.parts import prompts as prompts
from nova_eval.api.parts import sampler as sampler
from nova_eval.api.running import run as run
from nova_eval.api.scoring import score as score
from nova_eval.errors import NovaEvalError as NovaEvalError
from nova_eval.protocols import SamplerInfo as SamplerInfo
from nova_eval.records import Prompt as Prompt

__version__: str
__all__: list[str]
