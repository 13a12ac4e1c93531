"""Making a study: names are paired or refused with a list, and nothing in an image tells its method."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.study_raters import METHODS, changed, make_study, paint

from nicegan.data.folders import read_image
from nicegan.errors import ConfigError, DataError, StudyError
from nicegan.run_config import RunConfig
from nicegan.study.create import create_study, damage
from nicegan.study.definition import Plan, changed_images, read_study
from nicegan.study.sources import of_comparison, pair_folders, parse_methods
from nicegan.study.trials import trials_of
from nicegan.study.words import QUESTIONS, WORDS

TWO = ("alpha", "beta")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {name: paint(tmp_path / name, 3, shade) for shade, name in enumerate(("source", *TWO))}


def create(folders: dict[str, Path], out: Path, **plan: object) -> None:
    methods = {name: folders[name] for name in TWO}
    sources = pair_folders(folders["source"], methods, folders.get("real"), pair_reference=plan.get("kind") is None)
    create_study(sources, Plan(**({"repeats": 0, "obvious": 1} | plan)), out)  # pyright: ignore


def test_all_that_decides_the_study_is_in_its_file(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    content = json.loads((study.folder / "study.json").read_text())
    assert content["format_version"] == 1
    assert content["question"] == QUESTIONS["en"]["best-of-source"]
    assert content["methods"] == list(METHODS)
    assert content["rule"] == {
        "obvious_right": 0.75, "repeats_same": 0, "median_seconds": 0.5, "position_p": 0.0001, "late_seconds": 10,
        "late_share": 1,
    }  # fmt: skip
    assert changed_images(study) == []
    assert {path.stem for path in (study.folder / "images").iterdir()} == study.definition.files()
    assert sorted(path.name for path in study.folder.iterdir()) == ["images", "study.json", "votes.sqlite"]


def test_images_lose_metadata_and_format(folders: dict[str, Path], tmp_path: Path) -> None:
    note = PngInfo()
    note.add_text("Software", "made by alpha")
    path = folders["alpha"] / "image_000.png"
    read_image(path).save(path, pnginfo=note)
    jpeg = folders["beta"] / "image_001.jpg"
    read_image(folders["beta"] / "image_001.png").save(jpeg, comment=b"made by beta")
    (folders["beta"] / "image_001.png").unlink()
    create(folders, tmp_path / "study")
    for file in (tmp_path / "study" / "images").iterdir():
        with Image.open(file) as image:
            assert (image.format, image.mode, image.info) == ("PNG", "RGB", {})
        assert b"made by" not in file.read_bytes()


def test_missing_extra_and_clashing_names_are_listed_together(folders: dict[str, Path], tmp_path: Path) -> None:
    (folders["alpha"] / "image_001.png").unlink()
    shutil.copy(folders["beta"] / "image_000.png", folders["beta"] / "other.png")
    with pytest.raises(DataError) as problem:
        create(folders, tmp_path / "study")
    lines = str(problem.value).splitlines()
    assert len(lines) == 3
    assert "'image_001.png'" in lines[1]
    assert "'other.png'" in lines[2]
    shutil.copy(folders["beta"] / "image_000.png", folders["beta"] / "image_000.bmp")
    (folders["source"] / "image_000.png").rename(folders["source"] / "image_000.tif")
    with pytest.raises(DataError, match=r"'image_000.tif' could belong to 'image_000.bmp', 'image_000.png'"):
        create(folders, tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_sets_without_a_common_name_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    for number, path in enumerate(sorted(folders["alpha"].iterdir())):
        path.rename(path.with_name(f"else_{number}.png"))
    with pytest.raises(DataError, match="3 of 3 images in .*source have none of their name in .*alpha"):
        create(folders, tmp_path / "study")


def test_images_of_other_sizes_would_tell_the_method(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.rmtree(folders["beta"])
    paint(folders["beta"], 3, 2, size=48)
    with pytest.raises(DataError, match=r"(?s)--size 256.*alpha 24x24, beta 48x48"):
        create(folders, tmp_path / "study")
    create(folders, tmp_path / "study", size=32)
    assert {read_image(path).size for path in (tmp_path / "study/images").iterdir()} == {(32, 32)}


def test_what_is_no_image_is_listed(folders: dict[str, Path], tmp_path: Path) -> None:
    (folders["alpha"] / "image_001.png").write_text("no image")
    (folders["source"] / "image_002.png").write_bytes(b"")
    with pytest.raises(DataError) as problem:
        create(folders, tmp_path / "study")
    assert str(problem.value).startswith("2 images cannot be read")
    assert not (tmp_path / "study").exists()
    assert not list(tmp_path.glob(".study*"))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"trials": 4}, "--trials 4: there are 3 questions"),
        ({"repeats": 2}, "--repeats 2: at most half of the 3 trials"),
        ({"show": "reference"}, "--show reference needs a reference image for each source"),
        ({"kind": "real-or-fake", "show": "none"}, "name their folder with --reference"),
        ({"seconds": 2.0}, "--seconds is for --kind real-or-fake"),
        ({"question": "  "}, "--question is empty"),
    ],
)
def test_plans_that_cannot_be(folders: dict[str, Path], tmp_path: Path, plan: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create(folders, tmp_path / "study", **plan)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("a=x", "a=y"), "a is the name of two methods"),
        (("a",), "give a name and a folder"),
        (("=x",), "give a name and a folder"),
        (("Real=x",), "means something else in a study"),
        (("a\tb=x",), "give a name and a folder"),
    ],
)
def test_methods_that_cannot_be(texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_methods(texts)


def test_a_folder_in_use_is_not_touched(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        create(folders, folders["alpha"])
    assert len(list(folders["alpha"].iterdir())) == 3


def test_a_damaged_image_is_no_picture_of_anything() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8))
    damaged = damage(image, "seed")
    assert damaged.size == image.size
    assert damaged.tobytes() == damage(image, "seed").tobytes() != damage(image, "other").tobytes()


def test_references_are_shown_beside_the_outputs(tmp_path: Path) -> None:
    plan = Plan(show="both", trials=3, repeats=0, obvious=0, practice=0)
    folders = {
        name: paint(tmp_path / name, 3, shade) for shade, name in enumerate(("source", "alpha", "beta", "gamma"))
    }
    sources = pair_folders(
        folders["source"], {name: folders[name] for name in TWO}, folders["gamma"], pair_reference=True
    )
    study = create_study(sources, plan, tmp_path / "study")
    assert set(trials_of(study.definition, 0, 1)[0].context) == {"source", "reference"}
    with pytest.raises(ConfigError, match="--reference is not shown"):
        create_study(sources, changed(plan, show="source"), tmp_path / "other")


def test_other_versions_and_damaged_files_are_refused(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    file = study.folder / "study.json"
    whole = file.read_text()
    for content, message in [
        (whole.replace('"format_version": 1', '"format_version": 2'), "format 2.*update nicegan"),
        (whole[:300], "cannot be read"),
        (whole.replace('"kind": "best"', '"kind": "worst"'), "kind: Input should be"),
        (whole.replace(f'"{"alpha"}": "', '"other": "', 1), "other outputs than the methods'"),
        (whole.replace('"source": "', '"source": "../../', 1), "String should match pattern"),
        ("[]", "cannot be read"),
    ]:
        file.write_text(content)
        with pytest.raises(StudyError, match=message):
            read_study(study.folder)
    with pytest.raises(StudyError, match="is not a study: it has no study.json"):
        read_study(tmp_path)


def test_a_study_of_before_there_was_a_rule_for_late_answers_leaves_nobody_out_for_them(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    content = json.loads((study.folder / "study.json").read_text())
    del content["rule"]["late_seconds"], content["rule"]["late_share"]
    (study.folder / "study.json").write_text(json.dumps(content))
    assert read_study(study.folder).definition.rule.late_share == 1


def test_changed_images_are_found(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    one, other = sorted(study.definition.files())[:2]
    study.image(one).unlink()
    study.image(other).write_bytes(b"changed")
    assert changed_images(study) == [one, other]


def test_both_languages_say_the_same() -> None:
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    assert QUESTIONS["en"].keys() == QUESTIONS["zh"].keys()
    for name, text in WORDS["en"].items():
        fields = {word for word in ("{count}", "{number}", "{seconds}", "{keys}", "{name}") if word in text}
        assert all(word in WORDS["zh"][name] for word in fields), name


def test_a_study_of_a_finished_comparison(dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "comparison"
    recipes = {name: RunConfig(data=dataset).model_dump(mode="json") for name in TWO}
    for shade, name in enumerate(TWO):
        paint(folder / "outputs" / "A2B" / name / "seed-4", 3, shade)
    (folder / "comparison.json").write_text(json.dumps({"recipes": recipes, "seeds": [4, 5]}))
    with of_comparison(folder, "B") as sources:
        study = create_study(sources._replace(real=[]), Plan(repeats=0), tmp_path / "study")
        assert len(sources.real) == 3
        with pytest.raises(DataError, match="differ in size"):
            create_study(sources, Plan(kind="real-or-fake", show="none"), tmp_path / "other")
    assert study.definition.methods == TWO
    assert [subject.name for subject in study.definition.subjects] == ["image_000", "image_001", "image_002"]
    (folder / "outputs" / "A2B" / "beta" / "seed-4" / "image_001.png").unlink()
    with (
        pytest.raises(ConfigError, match="lacks 1 of 3 outputs: let the comparison finish"),
        of_comparison(folder, "B"),
    ):
        pass


def test_a_folder_that_is_no_comparison_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it has no comparison.json"), of_comparison(tmp_path, "B"):
        pass
    (tmp_path / "comparison.json").write_text("{}")
    with pytest.raises(ConfigError, match="cannot be read"), of_comparison(tmp_path, "A"):
        pass
