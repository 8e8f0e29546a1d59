import json
import re
from html.parser import HTMLParser

import msgspec
import pytest

from instant_credit.training.report.page import Report, encode_report, make_report, render_page, write_report
from instant_credit.training.workshop import build_training
from tests.training.loans import QUICK, invent_set
from tests.training.test_workshop import BY_DATE, FOLDED, TRAINING

REPORT = make_report(TRAINING)
PAGE = render_page(REPORT, TRAINING)
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Checks that every element is closed and collects ids, addresses and text."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.addresses, self.text, self.tags = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in {"src", "href", "xlink:href", "action", "data", "srcset"}:
                self.addresses.append(value)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page():
    parsed = Page()
    parsed.feed(PAGE)
    parsed.close()
    return parsed


def test_the_page_and_json_are_the_same_bytes_every_time(tmp_path):
    again = build_training(invent_set(), BY_DATE, QUICK)
    first, second = write_report(TRAINING, tmp_path / "one"), write_report(again, tmp_path / "two")
    assert first.html.read_bytes() == second.html.read_bytes()
    assert first.json.read_bytes() == second.json.read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["report.html", "report.json"]


def test_the_page_is_well_formed(page):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    wanted = {address[1:] for address in page.addresses if address.startswith("#")} | set(
        re.findall(r"url\(#([^)]+)\)", PAGE)
    )
    assert wanted <= set(page.ids)


def test_the_page_loads_nothing(page):
    assert all(address.startswith("#") or address == "data:," for address in page.addresses)
    assert not {"script", "iframe", "img", "object", "embed"} & set(page.tags)
    assert "@import" not in PAGE
    assert not re.search(r"url\((?!#)", PAGE)
    assert "default-src 'none'" in PAGE


def test_the_page_shows_three_charts_in_its_own_colours(page):
    assert page.tags.count("svg") == 3
    assert not re.search(r"#0[1-4]0[1-4]0[1-4]", PAGE)


def test_the_page_tells_figures_with_their_ranges(page):
    text = " ".join(page.text)
    for quality in (REPORT.model, REPORT.scorecard):
        for measured in (quality.auc, quality.ks):
            assert f"{measured.value:.3f}" in text
            assert f"{measured.low:.3f} to {measured.high:.3f}" in text
        assert f"{quality.brier.value:.4f}" in text
    assert REPORT.bundle_hash in text
    assert REPORT.training_hash in text


def test_the_page_says_what_was_left_out(page):
    text = re.sub(r"\s+", " ", " ".join(page.text))
    assert "5: neither repaid nor charged off as known on that day" in text
    assert "liens seen: no loan of the book has it" in text
    assert "term: the same for every loan of the book that has it" in text
    assert "town (attribute): no variable of the model uses it" in text
    assert "sex (attribute): prohibited basis: sealed apart for fairness measurement" in text
    assert "Applicants who were declined" in text


def test_names_from_documents_cannot_become_markup():
    assert "<loan>" not in PAGE
    assert "Small &lt;loan&gt;" in PAGE


def test_the_json_holds_what_the_page_holds():
    raw = encode_report(REPORT)
    assert msgspec.json.decode(raw, type=Report) == REPORT
    told = json.loads(raw)
    assert told["model"]["auc"]["value"] == TRAINING.model.quality.auc.value
    assert len(told["model"]["deciles"]) == len(told["scorecard"]["deciles"]) == 10
    assert told["plan"] == {"kind": "by_date", "test_from": "2021-07-01", "calibration_months": 6, "folds": None}


def test_variables_stand_by_weight_with_direction_and_share_of_missing():
    weights = [variable.importance for variable in REPORT.variables]
    assert weights == sorted(weights, reverse=True)
    by_name = {variable.name: variable for variable in REPORT.variables}
    assert by_name["default_age"].missing_share == pytest.approx(0.6, abs=0.05)
    assert set(by_name) | {one.name for one in REPORT.variables_not_used} == set(TRAINING.bundle.variables)


def test_bins_of_the_scorecard_are_named():
    purpose = next(one for one in REPORT.scorecard_variables if one.name == "purpose")
    assert [one.values for one in purpose.bins] == ["car", "home", "other", "missing"]
    amount = next(one for one in REPORT.scorecard_variables if one.name == "amount")
    assert amount.bins[0].values.startswith("up to ")
    assert amount.bins[-2].values.startswith("above ")


def test_a_report_of_folds_says_what_folds_do_not_show():
    report = make_report(FOLDED)
    assert report.plan.kind == "by_folds"
    page = render_page(report, FOLDED)
    assert "in 3 folds" in page
    assert "do not show how the model ages" in page


def test_an_older_report_is_replaced(tmp_path):
    for name in ("report.html", "report.json"):
        (tmp_path / name).write_text("old")
    paths = write_report(TRAINING, tmp_path)
    assert paths.html.read_text() == PAGE
