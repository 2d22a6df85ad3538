"""Prompts as people keep them: every format says the same, every fault is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.dpg_bench.questions import own_questions
from nova_eval.adapters.own import own_suite, which
from nova_eval.adapters.own_names import OwnNames
from nova_eval.adapters.prompt_files import LONGEST_TEXT, read_entries, spoken
from nova_eval.adapters.suite import Suite
from nova_eval.errors import UsageError
from nova_eval.records import SampleKey

ENDINGS = frozenset({".mp4", ".webm"})


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def suite_of(path: Path, benchmark: str = "vbench", variant: str = "custom") -> Suite:
    found = load_benchmark(benchmark)
    return own_suite(found.config, path, variant, found.suite).suite


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.txt", "\ufeffa cat\r\n\r\n  a red dog \n"),
        ("p.csv", 'prompt\na cat\n"a red dog"\n'),
        ("p.csv", "id,text\n0000,a cat\n0001,a red dog\n"),
        ("p.json", ["a cat", "a red dog"]),
        ("p.json", [{"prompt_en": "a cat"}, {"prompt": "a red dog"}]),
        ("p.jsonl", '{"prompt": "a cat"}\n\n"a red dog"\n'),
    ],
)
def test_every_format_says_the_same(tmp_path: Path, name: str, content: object) -> None:
    suite = suite_of(write(tmp_path / name, content))
    assert [(prompt.id, prompt.text) for prompt in suite.prompts] == [
        ("custom/0000", "a cat"),
        ("custom/0001", "a red dog"),
    ]
    assert suite.digest == suite_of(write(tmp_path / "q.txt", "a cat\na red dog")).digest


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.txt", " \n\n", "holds no prompt"),
        ("p.json", [], "holds no prompt"),
        ("p.txt", '[{"prompt": "a"}]', "looks like JSON"),
        ("p.doc", "a cat", "no ending of a file of prompts"),
        ("p.json", "a cat", "is not JSON"),
        ("p.json", "[" * 100_000, "is not JSON"),
        ("p.json", '{"a.mp4": "x", "a.mp4": "y"}', "'a.mp4' stands there twice"),
        ("p.json", {"prompt": "a"}, "'prompt' is no file name"),
        ("p.json", 7, "holds a JSON int"),
        ("p.json", [7], "entry 0: a int where a text"),
        ("p.json", [{"prompt": 7}], "entry 0: the prompt is a int"),
        ("p.json", [{"prompt": " "}], "entry 0: the prompt is empty"),
        ("p.json", [{"prompt": "\u200b\u2060"}], "entry 0: the prompt is empty"),
        ("p.json", [{"prompt": "a cat", "id": True}], "entry 0: 'id' must be a text"),
        ("p.json", [{"caption_": "a"}], "entry 0: no 'prompt'; its keys are caption_"),
        ("p.json", '["a \\ud800 b"]', "holds half of a character"),
        ("p.json", ["a \x07 bell"], "control character U\\+0007"),
        ("p.txt", "a \x1b[31m cat", "line 1: the prompt holds the control character U\\+001B"),
        ("p.txt", "x" * (LONGEST_TEXT + 1), "has 10,001 characters"),
        ("p.txt", "a cat\na dog\na cat\n", "line 3: the prompt of p.txt, line 1 again"),
        ("p.csv", "id,prompt\nx,a\nX,b\n", "line 3: the id 'X' is that of p.csv, line 2 too"),
        ("p.csv", "id,prompt\n../x,a\n", "cannot name a folder"),
        ("p.csv", "name\na\n", "has no column 'prompt'"),
        ("p.csv", "prompt,prompt\na,b\n", "two columns 'prompt'"),
        ("p.csv", "prompt,id\na,b,c\n", "line 2: 3 cells, the header has 2"),
        ("p.csv", 'prompt\n"a\n', "not a row of CSV"),
        ("p.json", [{"prompt": "a", "dimension": ["scen"]}], "in p.json, entry 0 'scen'; did you mean 'scene'"),
        ("p.json", [{"prompt": "a", "dimension": [3]}], "'dimension' must be a text"),
        ("p.json", [{"prompt": "a", "auxiliary_info": []}], None),
        ("p.json", [{"prompt": "a", "auxiliary_info": [1]}], "'auxiliary_info' must be an object"),
        ("p.json", [{"prompt": "a", "file": 3}], "'file' must be a name"),
        ("p.json", [{"prompt": "a", "file": "x.mp4"}, {"prompt": "a", "file": "x.mp4"}], "a file is named twice"),
    ],
)
def test_faults_are_one_clear_line(tmp_path: Path, name: str, content: object, message: str | None) -> None:
    path = write(tmp_path / name, content)
    if message is None:
        assert len(suite_of(path).prompts) == 1
        return
    with pytest.raises(UsageError, match=message) as caught:
        suite_of(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00a")
    (tmp_path / "empty").mkdir()
    for path, message in (
        (tmp_path / "none.txt", "no such file"),
        (tmp_path / "b.txt", "is not UTF-8 text"),
        (tmp_path / "empty", "neither media nor texts"),
        (Path("/dev/zero"), "no ending"),
    ):
        with pytest.raises(UsageError, match=message):
            read_entries(path, ENDINGS)


def test_the_official_schema_keeps_dimensions_and_references(tmp_path: Path) -> None:
    rows = [
        {"prompt_en": "a red car", "dimension": ["color"], "auxiliary_info": {"color": {"color": "red"}}},
        {"prompt_en": "a dog", "dimension": ["color", "aesthetic_quality"]},
        {"prompt_en": "a red car", "dimension": ["scene"], "auxiliary_info": {"scene": {"scene": "street"}}},
    ]
    suite = suite_of(write(tmp_path / "p.json", rows))
    assert [prompt.tags for prompt in suite.prompts] == [("color", "scene"), ("aesthetic_quality",)]
    assert suite.prompts[0].reference == {"color": {"color": "red"}, "scene": {"scene": "street"}}
    assert suite.notes == ("1 prompts name color and do not bring what it needs",)


def test_genevals_metadata_is_read_as_it_is(tmp_path: Path) -> None:
    rows = [
        {"tag": "counting", "include": [{"class": "dog", "count": 2}], "prompt": "a photo of two dogs at sea"},
        {"tag": "colors", "include": [{"class": "cat", "count": 1, "color": "red"}], "prompt": "a red cat in snow"},
    ]
    suite = suite_of(write(tmp_path / "m.jsonl", "\n".join(map(json.dumps, rows))), "geneval")
    assert [prompt.tags for prompt in suite.prompts] == [("counting",), ("colors",)]
    assert [prompt.reference["include"] for prompt in suite.prompts] == [row["include"] for row in rows]
    plain = suite_of(write(tmp_path / "p.txt", "a dog\n"), "geneval")
    assert plain.prompts[0].tags == ()


def test_prompts_serve_what_they_bring_enough_for(tmp_path: Path) -> None:
    text = write(tmp_path / "p.txt", "a dog\n")
    assert suite_of(text, "t2i_compbench").prompts[0].tags == ("non_spatial",)
    assert suite_of(text, "dpg_bench").prompts[0].tags == ()
    asked = {"proposition_id": 1, "dependency": "0", "tuple": "entity - whole (dog)"}
    row = {"prompt": "a dog", "questions": [{**asked, "question_natural_language": "Is there a dog?"}]}
    assert "overall" in suite_of(write(tmp_path / "q.json", [row]), "dpg_bench").prompts[0].tags


def test_a_file_of_a_category_says_what_its_prompts_are(tmp_path: Path) -> None:
    for name, tags in (("color_val.txt", ("color",)), ("numeracy.txt", ("numeracy",)), ("mine.txt", ("non_spatial",))):
        assert suite_of(write(tmp_path / name, "a red dog\n"), "t2i_compbench").prompts[0].tags == tags
    assert len(suite_of(write(tmp_path / "color.txt", "a red dog\n")).prompts[0].tags) == 10


def test_dpgs_table_of_questions_is_a_prompt_an_item(tmp_path: Path) -> None:
    head = "item_id,text,proposition_id,dependency,tuple,question_natural_language\n"
    rows = 'one,a dog,1,0,entity - whole (dog),Is there a dog?\none,a dog,2,1,"attribute (dog, red)",Is it red?\n'
    rows += "two,a cat,1,,entity - whole (cat),Is there a cat?\n"
    suite = suite_of(write(tmp_path / "d.csv", head + rows), "dpg_bench")
    assert [(prompt.text, prompt.reference["item"]) for prompt in suite.prompts] == [("a dog", "one"), ("a cat", "two")]
    asked = [own_questions(prompt) or () for prompt in suite.prompts]
    assert [[(question.id, question.parents) for question in one] for one in asked] == [
        [(1, (0,)), (2, (1,))],
        [(1, (0,))],
    ]


def test_folders_of_genevals_form_bring_their_own_metadata(tmp_path: Path) -> None:
    row = {"tag": "counting", "include": [{"class": "dog", "count": 2}], "prompt": "two dogs at sea"}
    write(tmp_path / "c" / "00000" / "metadata.jsonl", row)
    for name in ("0.png", "1.png"):
        write(tmp_path / "c" / "00000" / "samples" / name, "media")
    (prompt,) = suite_of(tmp_path / "c", "geneval").prompts
    assert (prompt.text, prompt.tags) == ("two dogs at sea", ("counting",))
    assert prompt.reference == {"include": row["include"], "files": ["00000/samples/0.png", "00000/samples/1.png"]}


def test_one_knows_a_part_of_a_suite_from_prompts_of_ones_own(tmp_path: Path) -> None:
    found = load_benchmark("geneval")
    metadata = write(tmp_path / "m.jsonl", '{"tag": "single_object", "prompt": "a photo of a bench"}\n')
    assert which(found.config, metadata, ["official"], found.suite) == "official"
    other = write(tmp_path / "n.jsonl", '{"tag": "counting", "prompt": "a photo of a bench", "include": []}\n')
    assert which(found.config, other, ["official"], found.suite) == "custom"
    mixed = write(tmp_path / "p.txt", "geneval/0003\na photo of nothing\n")
    assert which(found.config, mixed, ["official"], found.suite) == "custom"


class TestFolders:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("a cat looks out-3", ("a cat looks out", 3)),
            ("a cat looks out", ("a cat looks out", 0)),
            ("0001", None),
            ("take-3", None),
            ("take 3", None),
            ("final_cut_two_b", None),
        ],
    )
    def test_a_name_is_a_prompt_where_it_has_its_words(self, name: str, said: object) -> None:
        assert spoken(name) == said

    def test_side_files_come_before_names_and_names_before_nothing(self, tmp_path: Path) -> None:
        for name in ("x.mp4", "a cat runs by-0.mp4", "a cat runs by-1.mp4", "2.webm"):
            write(tmp_path / "c" / name, "media")
        write(tmp_path / "c" / "x.txt", "a dog in the rain\n")
        suite = suite_of(tmp_path / "c")
        assert {prompt.text: prompt.reference["files"] for prompt in suite.prompts} == {
            "": ["2.webm"],
            "a cat runs by": ["a cat runs by-0.mp4", "a cat runs by-1.mp4"],
            "a dog in the rain": ["x.mp4"],
        }
        assert [len(prompt.tags) for prompt in suite.prompts] == [7, 10, 10]

    def test_texts_without_media_are_dpgs_prompts(self, tmp_path: Path) -> None:
        write(tmp_path / "c" / "one.txt", "a long text\nof two lines\n")
        (prompt,) = suite_of(tmp_path / "c", "dpg_bench").prompts
        assert (prompt.id, prompt.text, prompt.reference) == (
            "custom/one",
            "a long text\nof two lines",
            {"item": "one"},
        )


class TestNames:
    def assigned(self, tmp_path: Path, prompts: object, *paths: str) -> dict[str, SampleKey]:
        suite = suite_of(write(tmp_path / "p.json", prompts))
        files = OwnNames(ENDINGS).assign(suite.prompts, paths, tmp_path).files
        return {path: key for key, (path,) in files.items()}

    def test_texts_and_ids_with_a_number(self, tmp_path: Path) -> None:
        prompts = [{"prompt": "a cat", "id": "one"}, {"prompt": "a dog", "id": "two"}]
        paths = ("a cat-0.mp4", "One_1.mp4", "s/two/samples/0002.mp4", "two.webm", "three.mp4")
        assert self.assigned(tmp_path, prompts, *paths) == {
            "a cat-0.mp4": SampleKey("custom/one", 0),
            "One_1.mp4": SampleKey("custom/one", 1),
            "two.webm": SampleKey("custom/two", 0),
            "s/two/samples/0002.mp4": SampleKey("custom/two", 2),
        }

    def test_a_table_may_name_paths_of_another_machine(self, tmp_path: Path) -> None:
        table = {"/data/out/x.mp4": "a cat", "b/y.mp4": "a dog"}
        found = self.assigned(tmp_path, table, "x.mp4", "a/y.mp4", "b/y.mp4", "a cat-0.mp4")
        assert found == {"x.mp4": SampleKey("custom/0000", 0), "b/y.mp4": SampleKey("custom/0001", 0)}

    def test_a_name_is_meant_as_it_is_written_where_a_file_is_called_so(self, tmp_path: Path) -> None:
        table = {"cat.mp4": "a cat", "Cat.mp4": "a dog", "\u00fc.mp4": "a bird", "u\u0308.mp4": "a fish"}
        found = self.assigned(tmp_path, table, *sorted(table))
        assert {path: int(key.prompt_id[-1]) for path, key in found.items()} == {
            name: place for place, name in enumerate(table)
        }

    @pytest.mark.parametrize(
        ("table", "paths", "owners"),
        [
            (["cat.mp4"], ["CAT.mp4"], {"CAT.mp4": 0}),
            (["\u00fc.mp4"], ["s/u\u0308.mp4"], {"s/u\u0308.mp4": 0}),
            (["cat.mp4", "Cat.mp4"], ["Cat.mp4"], {"Cat.mp4": 1}),  # the other file is missing, whatever comes first
            (["cat.mp4", "Cat.mp4"], ["CAT.mp4"], {}),
            (["cat.mp4"], ["Cat.mp4", "CAT.mp4"], {}),
        ],
    )
    def test_another_way_to_write_it_counts_where_it_leaves_no_choice(
        self, tmp_path: Path, table: list[str], paths: list[str], owners: dict[str, int]
    ) -> None:
        found = self.assigned(tmp_path, {name: f"thing {n}" for n, name in enumerate(table)}, *paths)
        assert {path: int(key.prompt_id[-1]) for path, key in found.items()} == owners

    @pytest.mark.parametrize("files", [("x.mp4", "x.mp4"), (["x.mp4", "x.mp4"], "y.mp4")])
    def test_a_file_is_of_one_prompt(self, tmp_path: Path, files: tuple[object, object]) -> None:
        rows = [{"prompt": "a cat", "file": files[0]}, {"prompt": "a dog", "file": files[1]}]
        with pytest.raises(UsageError, match=r"a file is named twice, 'x\.mp4' by"):
            suite_of(write(tmp_path / "p.json", rows))
