import json
import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import msgspec
import numpy as np
import pytest

from instant_credit.training.fitting.choice import Choice, Tried
from instant_credit.training.fitting.selection import Selection, SelectOptions
from instant_credit.training.fitting.space import Search, SearchOptions, SearchTrial
from instant_credit.training.plans import ByFolds, ByShare
from instant_credit.training.report.basis import make_basis
from instant_credit.training.report.contents import Report, encode_report, make_report
from instant_credit.training.report.page import render_page, write_report
from instant_credit.training.workshop import build_training
from tests.training.loans import QUICK, invent_set
from tests.training.report.told import BASIS, PAGE, REPORT
from tests.training.test_workshop import BY_DATE, FOLDED, SET, TRAINING

VOID = {"meta", "link", "br", "img", "hr", "input"}
SIZE_MAX = 5_000_000


class Page(HTMLParser):
    """Checks that every element is closed and collects ids, addresses, headings, drawings and text."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.addresses, self.text, self.tags, self.drawings = [], [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "svg":
            self.drawings.append(dict(attrs))
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


def _parse(text):
    parsed = Page()
    parsed.feed(text)
    parsed.close()
    return parsed


def _told(plan, training_set=SET):
    basis = make_basis(build_training(training_set, plan, QUICK))
    report = make_report(basis)
    return report, render_page(report, basis)


@pytest.fixture(scope="module")
def page():
    return _parse(PAGE)


def test_the_page_and_json_are_the_same_bytes_every_time(tmp_path):
    again = build_training(invent_set(), BY_DATE, QUICK)
    first, second = write_report(TRAINING, tmp_path / "one"), write_report(again, tmp_path / "two")
    assert first.html.read_bytes() == second.html.read_bytes()
    assert first.json.read_bytes() == second.json.read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["report.html", "report.json"]


def test_drawing_leaves_chance_and_figures_as_they_were():
    np.random.seed(7)
    mine = plt.figure()
    before, numbers = np.random.get_state()[1].copy(), plt.get_fignums()
    render_page(REPORT, BASIS)
    assert (np.random.get_state()[1] == before).all()
    assert plt.get_fignums() == numbers
    plt.close(mine)


def test_the_page_is_well_formed(page):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    wanted = {address[1:] for address in page.addresses if address.startswith("#")} | set(
        re.findall(r"url\(#([^)]+)\)", PAGE)
    )
    assert wanted <= set(page.ids)


def test_the_page_loads_nothing(page):
    allowed = ("#", "data:image/png;base64,")
    assert all(address.startswith(allowed) or address == "data:," for address in page.addresses)
    assert not {"script", "iframe", "img", "object", "embed"} & set(page.tags)
    assert "@import" not in PAGE
    assert not re.search(r"url\((?!#)", PAGE)
    assert "default-src 'none'" in PAGE
    assert len(PAGE) < SIZE_MAX


def test_every_drawing_says_in_words_what_it_shows(page):
    labels = [drawing["aria-label"] for drawing in page.drawings]
    assert len(labels) >= 12
    assert len(set(labels)) == len(labels)
    assert all(drawing["role"] == "img" for drawing in page.drawings)


def test_drawings_take_the_colours_of_the_page():
    assert not re.search(r"#0[1-4]0[1-4]0[1-4]", PAGE)
    drawings = re.findall(r"<svg.*?</svg>", PAGE, flags=re.DOTALL)
    assert not any(grey in drawing for drawing in drawings for grey in ("#333333", "#999999", "#cccccc"))


def test_the_contents_lead_to_every_section(page):
    linked = [address[1:] for address in page.addresses if address.startswith("#")]
    assert re.findall(r'<h2 id="([^"]+)"', PAGE) == linked[: PAGE.count("<h2 ")]
    assert page.tags.count("h1") == 1


def test_the_page_tells_figures_with_their_ranges(page):
    text = " ".join(page.text)
    for measures in (REPORT.model, REPORT.scorecard):
        for measured in (measures.quality.auc, measures.quality.ks, measures.line.slope):
            assert f"{measured.value:.3f}" in text
            assert f"{measured.low:.3f} to {measured.high:.3f}" in text
        assert f"{measures.quality.brier.value:.4f}" in text
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
    assert told["model"]["quality"]["auc"]["value"] == TRAINING.model.quality.auc.value
    assert len(told["model"]["quality"]["deciles"]) == len(told["scorecard"]["quality"]["deciles"]) == 10
    assert told["plan"]["test_from"] == "2021-07-01"


def test_variables_stand_by_weight_with_direction_and_share_of_missing():
    weights = [variable.importance for variable in REPORT.variables]
    assert weights == sorted(weights, reverse=True)
    by_name = {variable.name: variable for variable in REPORT.variables}
    assert by_name["default_age"].missing_share == pytest.approx(0.6, abs=0.05)


def test_vintages_before_the_test_are_scored_by_models_that_did_not_see_them():
    assert sum(group.loans for group in REPORT.vintages_tested) == len(TRAINING.test_rows)
    assert sum(group.loans for group in REPORT.vintages_fitted) == len(TRAINING.fit_rows)
    assert sum(one.loans for one in REPORT.data.vintages) == SET.loans
    mean = np.average(
        [group.pd_mean for group in REPORT.vintages_fitted], weights=[g.loans for g in REPORT.vintages_fitted]
    )
    assert mean == pytest.approx(SET.labels[TRAINING.fit_rows].mean(), abs=0.03)


def test_a_report_of_folds_says_what_folds_do_not_show():
    basis = make_basis(FOLDED)
    report = make_report(basis)
    assert report.plan.kind == "by_folds"
    assert report.data.compared == "the earlier half of the loans with the later half"
    assert report.vintages_fitted == ()
    page = render_page(report, basis)
    assert "in 3 folds" in page
    assert "do not show how the model ages" in page


def test_a_book_without_dates_is_told_without_drift_and_vintages():
    undated = msgspec.structs.replace(SET, days=np.full(SET.loans, 18_000, dtype=np.int32))
    report, page = _told(ByFolds(folds=2), undated)
    assert report.data.compared == ""
    assert report.data.drift[0].psi is None
    assert (report.vintages_tested, report.data.drift_vintages) == ((), ())
    assert "nothing to compare" in page
    assert _parse(page).open == []
    report, page = _told(ByShare(test_share=0.3), undated)
    assert report.data.compared == "the loans fitted on with the test loans"
    assert "drawn by chance" in page


def test_a_sampled_book_leads_with_weighted_figures_and_says_so():
    weighted = msgspec.structs.replace(SET, weights=np.where(SET.labels == 1, 1.0, 5.0))
    report, page = _told(BY_DATE, weighted)
    assert report.data.is_weighted
    assert report.parts[-1].bads == int(SET.labels[TRAINING.test_rows].sum())
    assert report.model.quality.bad_rate.value < 0.3 * SET.labels[TRAINING.test_rows].mean()
    assert sum(band.share * band.bad_rate.value for band in report.bands) == pytest.approx(
        report.model.quality.bad_rate.value
    )
    text = re.sub(r"\s+", " ", page)
    assert "Each loan counts by its sampling weight" in text
    assert "The book is a sample" in text


def test_a_calibration_by_segment_is_told_with_its_errors():
    training = build_training(SET, BY_DATE, QUICK, segment="purpose")
    basis = make_basis(training)
    report = make_report(basis)
    page = render_page(report, basis)
    assert report.segments[0].variable == "purpose"
    assert report.segments[0].has_calibration
    assert [one.name for one in report.model.calibrated.segments] == ["car", "home", "other"]
    assert f"{report.model.calibrated.overall.slope_error:.3f}" in page
    assert "which the calibration goes by" in page
    for group in report.vintages_fitted:
        assert group.bad_rate.low - 0.05 < group.pd_mean < group.bad_rate.high + 0.05


def test_stages_are_told_while_the_report_is_made(tmp_path):
    stages = []
    write_report(TRAINING, tmp_path, lambda stage, _done: stages.append(stage))
    assert stages == [
        "explain for the report",
        "drift",
        "vintages and segments",
        "reasons",
        "draw the report",
    ]


def test_an_older_report_is_replaced(tmp_path):
    for name in ("report.html", "report.json"):
        (tmp_path / name).write_text("old")
    paths = write_report(TRAINING, tmp_path)
    assert paths.html.read_text() == PAGE


def test_selection_preset_and_search_are_told_when_they_ran():
    report = msgspec.structs.replace(
        REPORT,
        selection=Selection(options=SelectOptions(), kept=("amount", "income"), dropped=()),
        fold_selections=(Selection(options=SelectOptions(), kept=("amount",), dropped=()),),
        choice=Choice(preset="steady", parameters=QUICK, tried=(Tried(preset="steady", auc=0.7123),)),
        search=Search(
            options=SearchOptions(trials=2, minutes=1.5),
            space={"depth": "3 to 8, by 1"},
            inner="5 folds",
            trials=(SearchTrial(number=0, parameters=QUICK, auc=0.7),),
            best=0,
        ),
    )
    text = re.sub(r"\s+", " ", " ".join(_parse(render_page(report, BASIS)).text))
    assert "The selection kept 2 variables and left 0 out" in text
    assert "Each fold selected for itself: 1 variables" in text
    assert "steady 0.7123" in text
    assert "1 trials on the loans fitted on (5 folds), of which the first are the presets; trial 0 was taken" in text
    assert "after 1.5 minutes" in text
    assert "depth 3 to 8, by 1" in text
