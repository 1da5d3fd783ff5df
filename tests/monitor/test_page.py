"""What the page says of rules, alerts and figures is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from guardsdk.monitor import Enforcement, Kind, MonitorRules
from guardsdk.monitor.traffic import RATES

PAGE = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text(encoding="utf-8")


def test_the_rules_on_the_page_are_the_defaults() -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    enforcement = tomllib.loads(blocks[1])["monitor"]["enforcement"]
    assert enforcement == Enforcement().model_dump(mode="json")
    written = tomllib.loads(blocks[0])["monitor"]
    defaults = MonitorRules().model_dump(mode="json")
    actors = written.pop("actors")
    assert len(written) > 5 < len(actors)
    assert written == {key: defaults[key] for key in written}
    assert actors == {key: defaults["actors"][key] for key in actors}


def test_every_alert_and_rate_is_on_the_page() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert {kind.value for kind in Kind} <= rows
    assert all(f"`{rate}`" in PAGE for rate in RATES)
