import pytest

from datalogger.metrics import BUCKETS, Metrics


def test_the_text_is_what_prometheus_reads() -> None:
    metrics = Metrics()
    metrics.add("datalogger_frames_good_total", "house", amount=3)
    metrics.add("datalogger_frames_good_total", "house")
    metrics.set("datalogger_sink_oldest_age_seconds", "attic", value=0.1)
    metrics.set("datalogger_last_frame_timestamp_seconds", "house", value=1763632800.123456)
    metrics.add("datalogger_spool_commits_total")
    assert metrics.render() == (
        "# HELP datalogger_frames_good_total Frames decoded into a report.\n"
        "# TYPE datalogger_frames_good_total counter\n"
        'datalogger_frames_good_total{source="house"} 4\n'
        "# HELP datalogger_last_frame_timestamp_seconds When the last good frame came in.\n"
        "# TYPE datalogger_last_frame_timestamp_seconds gauge\n"
        'datalogger_last_frame_timestamp_seconds{source="house"} 1763632800.123456\n'
        "# HELP datalogger_sink_oldest_age_seconds Age of the oldest report waiting.\n"
        "# TYPE datalogger_sink_oldest_age_seconds gauge\n"
        'datalogger_sink_oldest_age_seconds{sink="attic"} 0.1\n'
        "# HELP datalogger_spool_commits_total Transactions written to disk.\n"
        "# TYPE datalogger_spool_commits_total counter\n"
        "datalogger_spool_commits_total 1\n"
    )


def test_a_histogram_counts_upwards_and_ends_with_everything() -> None:
    metrics = Metrics()
    for seconds in (0.004, 0.005, 0.3, 100.0):
        metrics.observe("datalogger_sink_latency_seconds", "attic", value=seconds)
    lines = metrics.render().splitlines()
    assert 'datalogger_sink_latency_seconds_bucket{sink="attic",le="0.005"} 2' in lines
    assert 'datalogger_sink_latency_seconds_bucket{sink="attic",le="0.5"} 3' in lines
    assert 'datalogger_sink_latency_seconds_bucket{sink="attic",le="60"} 3' in lines
    assert 'datalogger_sink_latency_seconds_bucket{sink="attic",le="+Inf"} 4' in lines
    assert 'datalogger_sink_latency_seconds_sum{sink="attic"} 100.309' in lines
    assert 'datalogger_sink_latency_seconds_count{sink="attic"} 4' in lines
    assert len(lines) == 2 + len(BUCKETS) + 1 + 2


def test_a_name_that_a_person_chose_cannot_break_the_format() -> None:
    metrics = Metrics()
    metrics.add("datalogger_octets_total", 'the "old" \\ house\nannex', amount=1)
    assert r'{source="the \"old\" \\ house\nannex"} 1' in metrics.render()


def test_exactly_one_state_is_on() -> None:
    metrics = Metrics()
    metrics.state("datalogger_sink_state", "attic", state="delivering")
    metrics.state("datalogger_sink_state", "cloud", state="delivering")
    metrics.state("datalogger_sink_state", "attic", state="unavailable")
    assert metrics.get("datalogger_sink_state", "attic", "delivering") == 0
    assert metrics.get("datalogger_sink_state", "attic", "unavailable") == 1
    assert metrics.get("datalogger_sink_state", "cloud", "delivering") == 1


def test_a_source_that_is_configured_no_more_leaves_no_series_behind() -> None:
    metrics = Metrics()
    for sink in ("attic", "cloud"):
        metrics.add("datalogger_sink_dropped_total", sink, "age")
        metrics.observe("datalogger_sink_latency_seconds", sink, value=1)
    metrics.forget("sink", "attic")
    text = metrics.render()
    assert "attic" not in text
    assert text.count("cloud") > 2


def test_a_misspelt_name_or_label_is_an_error_at_the_call() -> None:
    metrics = Metrics()
    with pytest.raises(KeyError):
        metrics.add("datalogger_frames_god_total", "house")
    with pytest.raises(ValueError, match=r"has the labels \('source', 'reason'\)"):
        metrics.add("datalogger_frames_rejected_total", "house")
    with pytest.raises(ValueError, match="has the labels"):
        metrics.state("datalogger_spool_state", "attic", state="open")
    assert metrics.render() == "\n"
