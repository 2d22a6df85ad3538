"""What names runs, suites and rows stays byte for byte the same from version to version."""

from collections import OrderedDict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from nova_eval.config import RunSpec, SamplerSpec
from nova_eval.identity import canonical_json, digest, encoded, suite_digest
from nova_eval.records import Coverage, Interval, Metric, Missing, Prompt, Sample, SampleKey, Score

PROMPT = Prompt("a/0", "é \ud800 x", ("b", "a"), {"z": [1, 2.5, None, True, {"k": (1,)}], 3: "three", "n": -0.0})  # type: ignore[dict-item]
PROMPT_TEXT = (
    r'{"id":"a/0","reference":{"3":"three","n":-0.0,"z":[1,2.5,null,true,{"k":[1]}]},"rewritten":null,'
    '"tags":["b","a"],"text":"é \ud800 x"}'
)
CASES: list[tuple[Any, str]] = [
    (PROMPT, PROMPT_TEXT),
    ((PROMPT, [PROMPT]), f"[{PROMPT_TEXT},[{PROMPT_TEXT}]]"),
    (MappingProxyType({"a": PROMPT}), f'{{"a":{PROMPT_TEXT}}}'),
    (
        Sample(SampleKey("a/b", 1), 2, "p", "d", 1, 2, 3, 4, 5.0, 0.1, (1, 2, 3, 4)),
        '{"bytes":1,"digest":"d","fps":5.0,"frames":4,"height":3,"key":["a/b",1],"part":[1,2,3,4],"path":"p",'
        '"seconds":0.1,"seed":2,"width":2}',
    ),
    (
        Score(SampleKey("a/b", 1), "m", 0.1, detail={"x": {1: 3}}),
        '{"detail":{"x":{"1":3}},"key":["a/b",1],"metric":"m","reason":"","value":0.1,"weight":1.0}',
    ),
    (
        RunSpec(benchmark="v", variant="o", sampler=SamplerSpec(name="n", settings={"a": (1, 2)})),
        '{"benchmark":"v","codec":"h264","sampler":{"name":"n","settings":{"a":[1,2]}},"seed":0,"variant":"o"}',
    ),
    (
        Metric("m", 1.0, Interval(0.0, 1.0), influence={"a": 1}),
        '{"excluded":0,"higher_is_better":true,"influence":{"a":1},"interval":[0.0,1.0],"name":"m","prompts":0,'
        '"reason":"","samples":0,"unscored":0,"value":1.0}',
    ),
    (
        Coverage(1, 1, 0, (Missing("a", 1, "r"),)),
        '{"excluded":0,"missing":[{"count":1,"metric":"a","reason":"r"}],"scored":1,"wanted":1}',
    ),
    ({"p": Path("a"), None: 1, 1.5: 2, 10: 1, 2: 2, True: 0}, '{"1.5":2,"10":1,"2":2,"None":1,"True":0,"p":"a"}'),
    (OrderedDict(b=10**30, a=1e300), '{"a":1e+300,"b":1000000000000000000000000000000}'),
    ([Path("/x/y"), "s", None, (), {}], '["/x/y","s",null,[],{}]'),
]


@pytest.mark.parametrize(("value", "text"), CASES, ids=range(len(CASES)))
def test_every_kind_of_fact_has_one_text(value: Any, text: str) -> None:
    assert encoded(canonical_json(value)) == encoded(text)


def test_digests_are_those_of_runs_on_disk() -> None:
    assert digest(PROMPT)[:8] == "08593096"
    assert suite_digest([PROMPT]) == "0b88e5ca7f105e6c508b80a62ae057bf4f404f7cfae931b078ee39a5a15f1013"


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}])
def test_what_is_no_number_has_no_text(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(value)
