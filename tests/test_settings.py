"""What the environment may say, and what is said of slips in it."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from guardsdk import Guard
from guardsdk.errors import InputError, InputTypeError, PolicyError
from guardsdk.settings import KNOWN, Settings, endpoint_key

PAGE = Path(__file__).parents[1] / "docs" / "applications.md"


def test_every_variable_counts() -> None:
    settings = Settings.from_environment(
        {
            "GUARDSDK_MODEL": "/models/mine",
            "GUARDSDK_POLICY": "strict",
            "GUARDSDK_PROVIDERS": "cpu",
            "GUARDSDK_THREADS": "2",
            "GUARDSDK_CAPTURE_TEXT": "hash",
        }
    )
    assert (str(settings.model), str(settings.policy)) == ("/models/mine", "strict")
    assert (settings.providers, settings.threads, settings.capture_text) == ("cpu", 2, "hash")


def test_the_table_in_the_docs_names_every_variable() -> None:
    assert re.findall(r"^\| `(GUARDSDK_\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == list(KNOWN)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("GUARDSDK_PROVIDERS", "gpu", "it must be 'auto', 'cpu' or 'cuda'"),
        ("GUARDSDK_THREADS", "0", "it must be greater than or equal to 1"),
        ("GUARDSDK_THREADS", "1" + "0" * 400, "it must be less than or equal to 1024"),
        ("GUARDSDK_THREADS", "two", "it must be a valid integer"),
    ],
)
def test_a_value_that_cannot_be_used_is_an_error_that_names_the_variable(name: str, value: str, problem: str) -> None:
    with pytest.raises(InputError, match=f"environment variable {name} cannot be used: {problem}"):
        Settings.from_environment({name: value})


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ("GUARDSDK_THREADS=2", "environment must be a mapping of names to strings, not str"),
        ([("GUARDSDK_THREADS", "2")], "environment must be a mapping of names to strings, not list"),
        ({"GUARDSDK_THREADS": 0}, "environment variable GUARDSDK_THREADS must be a string, not int"),
        ({"GUARDSDK_MODEL": None}, "environment variable GUARDSDK_MODEL must be a string, not NoneType"),
        ({"OTEL_SEMCONV_STABILITY_OPT_IN": None}, "environment variable OTEL_.*_OPT_IN must be a string, not NoneType"),
        ({"GUARDSDK_ENDPOINT_KEY": b"key"}, "environment variable GUARDSDK_ENDPOINT_KEY must be a string, not bytes"),
        ({b"GUARDSDK_MODEL": "here"}, "the name of an environment variable must be a string, not bytes"),
    ],
)
def test_an_environment_is_of_strings(environment: Any, said: str) -> None:
    for read in (Settings.from_environment, endpoint_key):
        with pytest.raises(InputTypeError, match=f"^{said}$"):
            read(environment)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GUARDSDK_POLCY", "GUARDSDK_POLICY"),
        ("GUARDSDK_MODELS", "GUARDSDK_MODEL"),
        ("GUARDSDK_THREAD", "GUARDSDK_THREADS"),
        ("GUARDSDK_CAPTURETEXT", "GUARDSDK_CAPTURE_TEXT"),
    ],
)
def test_a_misspelt_variable_is_told(caplog: pytest.LogCaptureFixture, name: str, meant: str) -> None:
    with caplog.at_level(logging.WARNING, "guardsdk"):
        assert Settings.from_environment({name: "strict"}) == Settings.from_environment({})
    assert caplog.messages == [f"environment variable {name} means nothing; did you mean {meant}?"]


def test_variables_of_others_with_the_prefix_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    others = {"GUARDSDK_SERVICE_HOST": "10.0.0.1", "GUARDSDK_PORT": "tcp://10.0.0.1:80", "GUARDSDK_ENDPOINT_KEY": "x"}
    with caplog.at_level(logging.WARNING, "guardsdk"):
        Settings.from_environment({**others, "GUARDSDK_PORT_80_TCP_PROTO": "tcp"})
    assert caplog.messages == []


def test_a_policy_of_the_environment_is_the_file_that_was_named_though_a_packaged_one_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "strict").write_text('name = "mine"\nversion = "1"\nextends = "lenient"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for given, name in (("./strict", "mine"), ("strict", "strict")):
        settings = Settings.from_environment({"GUARDSDK_POLICY": given})
        assert Guard(settings=settings, observers=()).policy.name == name


def test_a_policy_of_the_environment_that_cannot_be_read_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"settings \(GUARDSDK_POLICY\): .*stict: cannot be read"):
        Guard(settings=Settings(policy=tmp_path / "stict"))
