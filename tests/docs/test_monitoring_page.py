"""docs/monitoring.md against the rules, the metrics and the gauges."""

import re

from instant_credit.api.metrics import Metrics
from instant_credit.api.monitoring import EVENTS_MAX, WINDOWS_MAX
from instant_credit.outcome.alerts import AlertRule, AlertRules, Retraining, load_rules
from instant_credit.outcome.measures import Metric
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.review.references import REFERENCE_CASES_MAX, REFERENCE_CASES_MIN
from tests.docs.test_examples import ROOT, list_words, make_slug, read_page

PAGE = "monitoring.md"


def test_every_field_of_the_rules_is_documented_and_no_other() -> None:
    table = set(re.findall(r"^\| `(\w+)` \| [^|]* \|$", read_page(PAGE), re.MULTILINE))
    fields = {name for struct in (AlertRules, AlertRule, Retraining) for name in struct.__struct_fields__}
    assert table == fields - {"rules"}


def test_every_metric_is_documented() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| [^|]* \| [^|]* \|$", read_page(PAGE), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {metric.value for metric in Metric}


def test_every_gauge_and_shipped_document_is_named() -> None:
    gauges = {
        family.name
        for family in Metrics().registry.collect()
        if re.match(r"instant_credit_(alerts|monitored)_", family.name)
    }
    assert len(gauges) == 3
    assert gauges <= list_words(PAGE)
    assert all(f"alerts/{name}.toml" in read_page(PAGE) for name in list_starters("alerts"))


def test_the_bounds_told_are_those_that_hold() -> None:
    page = read_page(PAGE)
    assert f"takes {REFERENCE_CASES_MIN} Cases and at most {REFERENCE_CASES_MAX:,}" in page.replace("\n", " ")
    assert f"the last {WINDOWS_MAX} windows" in page
    assert f"the last {EVENTS_MAX} openings and ends" in page


def test_every_runbook_that_a_shipped_rule_names_is_there() -> None:
    for name in list_starters("alerts"):
        for rule in load_rules(read_starter("alerts", name)).rules:
            path, _, anchor = rule.runbook.partition("#")
            headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
            assert anchor in {make_slug(heading) for heading in headings}, rule.name
