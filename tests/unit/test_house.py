"""The rules of the house that no linter knows."""

import ast
import re
from pathlib import Path

import pytest

import nicegan

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
FORBIDDEN_NAMES = re.compile(r"\b(opt|utils|helpers)\b|A2B|B2A|a2b|b2a")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_module_is_one_idea_and_a_function_one_breath(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno < 40, node.name
    assert not FORBIDDEN_NAMES.search(re.sub(r"torch(\.nn)?\.utils", "", text))


def test_every_public_name_has_a_docstring_and_exists() -> None:
    for name in nicegan.__all__:
        assert getattr(nicegan, name).__doc__
    with pytest.raises(AttributeError, match="no attribute"):
        nicegan.nothing  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_the_package_is_typed() -> None:
    assert (ROOT / "src/nicegan/py.typed").is_file()
