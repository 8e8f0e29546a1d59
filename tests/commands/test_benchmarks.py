"""The benchmarks' runner: what is over budget fails it, pages are written from its JSON, and nobody's home is written to."""

import json
import re
import warnings
from dataclasses import replace
from xml.etree import ElementTree

import pytest

with warnings.catch_warnings():
    # shap still calls what matplotlib will drop.
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    from benchmarks import peers

from benchmarks import cold_start, exported, form, home, models, plots, readme, scoring
from benchmarks.form import Case, publish, time_interleaved

from instant_credit.settings import DATABASE_URL, read_settings

pytestmark = pytest.mark.long

TINY = replace(
    scoring.QUICK,
    trees=(3, 5),
    training_rows=600,
    batch_rows=300,
    few_rows=20,
    rounds=1,
    fast_rounds=2,
    batch_rounds=1,
    has_bounds=True,
)
BOUNDS = {
    "at_least_2000_times_catboost_shapvalues",
    "at_most_2_0_times_exported_cpp_portable",
    "batch_at_least_100_times_catboost_batch",
}


@pytest.mark.parametrize(("is_kept", "failed"), [(True, []), (False, ["decide: p50 below 1 us"])])
def test_a_check_that_fails_is_told_and_written_all_the_same(tmp_path, is_kept, failed):
    case = Case("decide", [1_000, 2_000, 3_000], checks={"p50 below 1 us": is_kept, "trees": 0.0})
    assert publish("decide", [case], 1, tmp_path / "decide.json") == failed
    written = json.loads((tmp_path / "decide.json").read_text())
    assert list(written) == ["suite", "commit", "machine", "versions", "seed", "cases"]
    assert written["cases"][0]["checks"] == {"p50 below 1 us": is_kept, "trees": 0.0}
    assert written["cases"][0]["ours"]["p50"] == 2.0


def test_calls_take_turns_and_get_their_own_running_number():
    seen = []
    calls = {name: lambda i, name=name: seen.append((name, i)) for name in "ab"}
    between = []
    samples = time_interleaved(calls, 2, {"a": 2, "b": 1}, warmup=0, before=lambda: between.append(len(seen)))
    assert seen == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("a", 2), ("a", 3)]
    assert between == list(range(6))
    assert {name: len(one) for name, one in samples.items()} == {"a": 4, "b": 2}


def test_a_long_call_counts_no_more_than_the_processor_spent_on_it(monkeypatch):
    passed, spent = [0], [0]

    def work(_: int) -> None:
        passed[0] += 5_000_000
        spent[0] += 3_000_000

    def glance(_: int) -> None:
        passed[0] += 900

    monkeypatch.setattr(form.time, "perf_counter_ns", lambda: passed[0])
    monkeypatch.setattr(form.time, "process_time_ns", lambda: spent[0])
    samples = time_interleaved({"long": work, "short": glance}, 1, 2)
    assert samples == {"long": [3_000_000] * 2, "short": [900] * 2}


def test_a_ratio_is_read_round_by_round_so_that_a_slow_spell_cancels_out():
    case = Case("x", [10, 10, 900, 900, 10, 10], {"peer": [20, 30, 1800, 1800, 20, 20]}, rounds=3)
    assert case.times_ours("peer") == 2.0
    assert case.ratio("ours", "peer") == 0.5


def test_a_rate_counts_the_rows_of_each_call():
    rows = {"ours": 1_000, "few": 10}
    case = Case("x", [1_000_000, 2_000_000], {"few": [1_000_000] * 2}, unit="rows_per_s", rounds=2, rows=rows)
    found = case.summary()
    assert (found["ours"]["p50"], found["ours"]["max"]) == (500_000, 500_000)
    assert found["peers"]["few"]["p50"] == 10_000
    assert case.times_ours("few") == 75.0


def test_a_flush_writes_more_than_the_largest_cache_holds():
    assert form.make_flush()().nbytes >= max(2 * form.cache_bytes(), form.FLUSH_BYTES_MIN)


def test_a_suite_has_a_home_and_a_database_of_its_own_that_end_with_it(monkeypatch, tmp_path, environ):
    monkeypatch.setattr(home, "VAR", tmp_path / "var")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with home.own_home() as own:
        seen = read_settings(home.environ_of(own))
        assert (seen.home, seen.key_ring, seen.database_url, seen.database_owner_url) == (
            own.home,
            own.key_ring,
            None,
            None,
        )
        assert own.home.is_relative_to(tmp_path / "var")
        own.home.mkdir()
    assert environ[DATABASE_URL]
    assert list((tmp_path / "var").iterdir()) == []


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The suite `scoring` on tiny models where neither a compiler nor the peers beyond CatBoost and shap are installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "KEPT", tmp_path_factory.mktemp("models"))
        patch.setattr(peers, "find_spec", lambda _: None)
        patch.setattr(exported.shutil, "which", lambda _: None)
        return scoring.time_suite(TINY, 1)


def test_scoring_agrees_with_itself_with_catboost_and_with_shap_on_every_model(alone):
    checks = {f"{case.name}: {name}": found for case in alone for name, found in case.checks.items()}
    equal = {name: found for name, found in checks.items() if re.search("equal|additive_to", name)}
    assert len(equal) == 21
    assert all(equal.values()), equal


def test_scoring_checks_the_bounds_that_it_can_measure(alone):
    found = {name for case in alone for name, value in case.checks.items() if isinstance(value, bool)}
    assert found & BOUNDS == BOUNDS - {"at_most_2_0_times_exported_cpp_portable"}
    assert not {who for case in alone for who in case.peers if re.search(r"C\+\+|LightGBM|XGBoost|ONNX", who)}


def test_peers_that_are_absent_are_said_loudly(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda _: None)
    told = "\n".join(peers.left_out({}))
    assert all(name in told for name in ("ONNX Runtime", "LightGBM", "XGBoost", "exported C++"))


@pytest.mark.skipif(exported.shutil.which("g++") is None, reason="compares compiled C++: there is no g++")
def test_the_exported_cpp_scores_as_catboost_does_and_has_its_bounds_checked(monkeypatch, tmp_path):
    monkeypatch.setattr(models, "KEPT", tmp_path)
    subject = scoring.make_subject(models.Spec(trees=3, rows=600, seed=1), TINY)
    expected = subject.catboost.predict(models.make_pool(subject.spec, subject.rows), prediction_type=peers.RAW)
    assert set(subject.exports) == set(exported.FLAGS)
    for one in subject.exports.values():
        assert one.score(subject.rows) == pytest.approx(expected, abs=1e-12)
        assert one.row_call(subject.rows)(5) == pytest.approx(expected[5], abs=1e-12)
    checks = scoring.time_exported(subject).checks
    assert isinstance(checks["at_most_2_0_times_exported_cpp_portable"], bool)
    assert ("at_most_1_3_times_exported_cpp_simd" in checks) == scoring.has_wide_shuffles()


def test_a_model_is_trained_once(monkeypatch, tmp_path):
    monkeypatch.setattr(models, "KEPT", tmp_path)
    spec = models.Spec(trees=2, rows=300, seed=1)
    models.fit_catboost(spec)
    monkeypatch.setattr(models.CatBoostClassifier, "fit", lambda *_: pytest.fail("trained twice"))
    assert models.fit_catboost(spec).tree_count_ == 2
    assert models.export_catboost(spec, "cbm").exists()


def test_a_start_is_timed_until_its_row_is_explained(monkeypatch, tmp_path):
    monkeypatch.setattr(models, "KEPT", tmp_path)
    monkeypatch.setattr(cold_start, "SCRIPTS", {"ours": cold_start.SCRIPTS["ours"]})
    first, memory = cold_start.time_rows(models.Spec(trees=2, rows=300, seed=1), 1)
    assert len(first.ours) == 1
    assert first.ours[0] > 10_000_000
    assert memory.ours[0] == 0 or memory.ours[0] > 10 << 20


def test_a_process_that_fails_ends_the_suite():
    with pytest.raises(SystemExit, match="failed"):
        cold_start._explain_once([cold_start.sys.executable, "-c", "raise SystemExit(3)"])


@pytest.fixture
def results(monkeypatch, tmp_path, alone):
    monkeypatch.setattr(readme, "RESULTS", tmp_path)
    checks = {"bytes_equal": True, "at_least_2_times": False, "times": 1.5}
    server = Case("serve, from start to first decision", [1_200_000_000], {"CatBoost": [2_400_000_000]}, checks, "ms")
    publish("cold-start", [server], 1, tmp_path / "cold-start.json")
    publish("scoring", alone, 1, tmp_path / "scoring.json")
    return tmp_path


def test_a_page_gets_its_tables_and_plots_from_the_results(results, tmp_path):
    page = tmp_path / "README.md"
    page.write_text(
        "above\n<!-- benchmark: cold-start -->\nstale\n<!-- end -->\n<!-- benchmark: scoring -->\n<!-- end -->\n"
        "<!-- benchmark: scoring, all -->\n<!-- end -->\n<!-- benchmark: http -->\nkept\n<!-- end -->\nbelow\n"
    )
    assert readme.rewrite(page) == ["cold-start", "scoring", "scoring"]
    written = page.read_text()
    assert "stale" not in written
    assert "<!-- benchmark: http -->\nkept\n<!-- end -->\nbelow\n" in written
    assert "| serve, from start to first decision | **instant_credit** | 1.2 s | 1.2 s | 1 |" in written
    assert "| serve, from start to first decision | CatBoost | 2.4 s | 2.4 s | 2 |" in written
    assert "Checked and held: bytes equal." in written
    assert "**Missed: at least 2 times (serve, from start to first decision).**" in written
    assert "](scoring.svg)" in written
    assert "| one row: score, SHAP, top 4 | 3 trees: p50 | p99 | times ours | 5 trees: p50" in written
    assert all(f"| {case.name} | " in written for case in scoring_cases(results))
    readme.rewrite(page)
    assert page.read_text() == written


def scoring_cases(results):
    return [Case(one["case"], []) for one in json.loads((results / "scoring.json").read_text())["cases"]]


def test_what_is_not_installed_stands_under_the_table(results):
    body = json.loads((results / "scoring.json").read_text())
    body["versions"] = {"catboost": "1", "lightgbm": None}
    assert "**Left out, not installed: lightgbm.**" in readme.told_checks(body)


def test_a_plot_is_whole_and_the_same_for_the_same_figures(results):
    body = json.loads((results / "scoring.json").read_text())
    drawn = plots.draw_scoring(body)
    assert drawn == plots.draw_scoring(body)
    words = "".join(ElementTree.fromstring(drawn).itertext())  # noqa: S314 our own drawing
    assert all(who in words for who in ("instant_credit", "CatBoost ShapValues", "CatBoost predict, list"))


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (2.6234, "us", "2.62 us"),
        (22_923.0, "us", "22.9 ms"),
        (1_282_320.0, "us", "1.28 s"),
        (9_330.0, "ms", "9.33 s"),
        (1_340_000.0, "rows_per_s", "1.34 M rows/s"),
        (6_412.0, "rows_per_s", "6,410 rows/s"),
        (193.04, "MiB", "193 MiB"),
    ],
)
def test_an_amount_is_told_in_the_unit_that_suits_it(value, unit, told):
    assert readme.told_amount(value, unit) == told
