"""The documents against the code: links, errors, endpoints, commands."""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import gateway
from app import create_app
from gateway.config.load import load_settings
from gateway.errors import GatewayError, InvalidRequestError
from gateway.validation.fields import check_integer, check_number

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "bench").rglob("*.md"),
    )
    if not path.relative_to(ROOT).parts[0].startswith(".")
)
SOURCES = sorted((ROOT / "gateway").rglob("*.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PATH_OF_A_MACHINE = re.compile(r"(?<![\w.])/(?:work|tmp|root|home|Users)/")


class ErrorKind(NamedTuple):
    """What a program sees of an error; ``code`` is None for JSON's null."""

    status: int
    code: str | None
    type: str


def _anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    text = CODE_BLOCK.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _error_classes() -> list[type[GatewayError]]:
    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if module.name != "gateway.__main__" and not module.name.startswith("gateway.worker"):
            importlib.import_module(module.name)
    found: list[type[GatewayError]] = []
    waiting = list(GatewayError.__subclasses__())
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    return [each for each in found if each.__module__.startswith("gateway.")]


def _documented_errors() -> list[ErrorKind]:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d{3}) \| (\S+) \| `(\w+)` \|", text, re.MULTILINE)
    nothing = "\N{EN DASH}"
    return [
        ErrorKind(int(status), None if code == nothing else code.strip("`"), kind)
        for status, code, kind in rows
    ]


def _codes_given() -> Iterator[tuple[str, str, str]]:
    """Yield (place, called name, code) for each ``code=…``; ``*`` stands for what is computed."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else ""
            place = f"{path.relative_to(ROOT)}:{node.lineno}"
            for keyword in node.keywords:
                if keyword.arg != "code":
                    continue
                if isinstance(keyword.value, ast.Constant) and keyword.value.value is not None:
                    yield place, called, str(keyword.value.value)
                elif isinstance(keyword.value, ast.JoinedStr):
                    parts = keyword.value.values
                    texts = [p.value if isinstance(p, ast.Constant) else "*" for p in parts]
                    yield place, called, "".join(map(str, texts))


def _strings_of_the_source() -> set[str]:
    return {
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _fits(code: str, pattern: str) -> bool:
    return re.fullmatch(".+".join(map(re.escape, pattern.split("*"))), code) is not None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for link in LINK.findall(CODE_BLOCK.sub("", document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in _anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_names_a_path_of_somebodys_machine(document: Path) -> None:
    assert PATH_OF_A_MACHINE.findall(document.read_text(encoding="utf-8")) == []


def test_no_error_is_documented_twice() -> None:
    documented = _documented_errors()
    assert documented
    assert len(documented) == len(set(documented))


def test_every_error_class_is_documented() -> None:
    kinds = {
        ErrorKind(each.status, each.default_code, each.default_type) for each in _error_classes()
    }
    assert kinds - set(_documented_errors()) == set()


def test_every_code_given_to_an_error_is_documented_with_its_status() -> None:
    classes = {each.__name__: each for each in _error_classes()}
    documented = _documented_errors()
    given = list(_codes_given())
    assert given
    for place, called, code in given:
        fitting = [kind for kind in documented if kind.code and _fits(kind.code, code)]
        assert fitting, f"{place}: {code} is not in docs/errors.md"
        if called in classes:
            error = classes[called]
            kinds = [(kind.status, kind.type) for kind in fitting]
            assert (error.status, error.default_type) in kinds, f"{place}: {code}"


def test_both_ends_of_both_kinds_of_range_are_documented() -> None:
    codes = {kind.code for kind in _documented_errors()}
    for check, value in itertools.product((check_integer, check_number), (0, 9)):
        with pytest.raises(InvalidRequestError) as raised:
            check({"n": value}, "n", 1, 8)
        assert raised.value.code in codes


def test_every_documented_error_can_occur() -> None:
    classes = _error_classes()
    can_be = {(each.status, each.default_type) for each in classes}
    without_code = {(each.status, each.default_type) for each in classes if not each.default_code}
    strings = _strings_of_the_source()
    patterns = [code for _, _, code in _codes_given() if "*" in code]
    for kind in _documented_errors():
        assert (kind.status, kind.type) in can_be, kind
        if kind.code is None:
            assert (kind.status, kind.type) in without_code, kind
        else:
            known = kind.code in strings or any(_fits(kind.code, each) for each in patterns)
            assert known, kind


def test_endpoints_of_the_readme_are_those_of_the_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The application's logging would outlive this test.
    monkeypatch.setattr("app.configure_logging", lambda level, log_format: None)
    database = f"sqlite:///{tmp_path}/gateway.db"
    app = create_app(load_settings({"AI_PROVIDER": "demo", "DATABASE_URL": database}, tmp_path))
    served = {
        (method, re.sub(r"<\w+:", "<", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    rows = re.findall(r"^\| `([A-Z]+)` \| (.+?) \|", README, re.MULTILINE)
    documented = {
        (method, path) for method, cell in rows for path in re.findall(r"`(/[^`]*)`", cell)
    }
    assert documented == served


def test_paths_of_the_api_in_documents_are_served() -> None:
    table = set(re.findall(r"`(/[^`]*)`", README.split("## Endpoints", 1)[1].split("\n## ", 1)[0]))
    assert table
    for document in DOCUMENTS:
        if document.name == "CHANGELOG.md" or document.parent.name == "adr":
            continue
        text = document.read_text(encoding="utf-8")
        for path in re.findall(r"`(?:GET |POST )?(/(?:v1|health)[^`\s]*)`", text):
            assert path in table | {"/v1"}, f"{document.name}: {path}"
        for path in re.findall(r"127\.0\.0\.1:8080(/[^\s'\"]+)", text):
            assert path in table | {"/v1"}, f"{document.name}: {path}"


def test_make_commands_of_the_documents_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    blocks = re.findall(r"^```shell\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    named = re.findall(r"^make (\w+)", "".join(blocks), re.MULTILINE)
    assert named
    for document in DOCUMENTS:
        named += re.findall(r"`make (\w+)`", document.read_text(encoding="utf-8"))
    assert set(named) - targets == set()


def test_every_part_of_the_package_has_its_place_in_the_architecture() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    parts = [path for path in (ROOT / "gateway").iterdir() if not path.name.startswith("_")]
    assert len(parts) > 10
    for path in parts:
        assert f"`gateway/{path.name}`" in architecture, path.name
