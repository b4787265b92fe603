"""A load that cannot be used is refused with its line; one that can is read as it is written."""

from __future__ import annotations

import time
from array import array
from datetime import UTC, datetime

import pytest

from ebbtide.capacity.load import read_load
from ebbtide.capacity.patterns import draw_load
from ebbtide.capacity.profile import Durations, LoadProfile
from ebbtide.capacity.samples import read_samples
from ebbtide.capacity.trace import MAGIC, TraceError, read_trace, write_trace
from ebbtide.judgement.findings import SettingsError

_DURATIONS = Durations.model_validate({"p50": "2s", "max": "20s"})


def _messages(load, seed=1):
    return [pair for arrivals, durations in load.open(seed) for pair in zip(arrivals, durations, strict=True)]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "has no message"),
        ("a.csv", "arrival,duration\n", "has no message"),
        ("a.csv", "arrival,duration\n1,2\n0.5,2\n", "line 3: arrives before the line above it"),
        ("a.csv", "arrival,duration\n1,-2\n", "line 2: the duration is negative"),
        ("a.csv", "arrival,duration\n-1,2\n", "line 2: the arrival is negative"),
        ("a.csv", "arrival,duration\nNaN,2\n", "line 2: the arrival is no number of seconds"),
        ("a.csv", "arrival,duration\n1,inf\n", "line 2: the duration is no number of seconds"),
        ("a.csv", "arrival,duration\n1,2\n\n2\n", "line 4: has 1 columns instead of 2"),
        ("a.csv", "when,duration\n1,2\n", "line 1: has no column for the arrival"),
        ("a.csv", "arrival\n1\n", "line 2: has no duration; add one; simulate and advise draw it with --durations"),
        ("a.csv", "minute,count\n0,-4\n", "line 2: is negative"),
        ("a.csv", 'arrival,duration\n1,1\n2,"1\n', "line 3: is no CSV"),
        ("a.jsonl", '{"arrival": true, "duration": 1}\n', "line 1: the arrival is no number of seconds"),
        ("a.csv", "minute,count\n0,x\n", "line 2: is no minute and count"),
        ("a.jsonl", '{"arrival": 1, "duration": 2}\n{"arrival"\n', "line 2: is not JSON"),
        ("a.jsonl", "[1, 2]\n", "line 1: is no object"),
        ("a.jsonl", '{"arrival": null, "duration": 2}\n', "line 1: the arrival is no number"),
        (
            "a.csv",
            "arrival,duration\n0,1\n1e15,1\n",
            "line 3 arrives 11,574,074,074 days after the first; cut the load",
        ),
        ("a.csv", "arrival,duration\n0,1e12\n", "line 2 takes 11,574,074 days; at most 7"),
        ("a.csv", "minute,count\n0,1000000000000\n", "line 2: is more than 1,000,000 messages"),
        ("a.txt", "1 2\n", "is no load"),
    ],
)
def test_a_load_that_cannot_be_used_is_refused_with_its_line(tmp_path, name, text, said):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(TraceError) as error:
        _messages(read_load(file))
    assert said in str(error.value)
    assert name in str(error.value)


COUNTS = {
    "time,value": "1700000000,340\n1700000060,12\n",
    "Time,orders,mails": "2026-11-30 10:00:00,,3\n2026-11-30 10:01:00,340,3\n",
    "timestamp,queue,ready": "0,mail,7\n60,mail,0\n",
}


@pytest.mark.parametrize("header", COUNTS)
def test_what_monitoring_exports_is_no_message_a_row(tmp_path, header):
    (tmp_path / "a.csv").write_text(f"{header}\n{COUNTS[header]}")
    (tmp_path / "a.jsonl").write_text('{"time": 0, "value": 340}\n')
    for name in ("a.csv", "a.jsonl"):
        with pytest.raises(TraceError, match=r"a row is one message here; write counts as minute,count") as error:
            _messages(read_load(tmp_path / name, _DURATIONS))
        assert f"{name}: line " in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "arrival,queue\n0,mail\n1,mail\n",
        "time,handled_at\n1700000000,1700000009\n1700000001,1700000012\n",
        "time,messageId\n0,7\n1,8\n",
        "time,Message ID\n0,7\n1,8\n",
        "arrival,duration,bytes\n0,1,340\n1,1,12\n",
    ],
)
def test_a_row_with_more_than_its_arrival_is_a_message_where_nothing_in_it_counts(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    assert [at for at, _ in _messages(read_load(tmp_path / "a.csv", _DURATIONS))] == [0, 1_000_000]


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"arrival,duration\n\xff\xfe,1\n")
    with pytest.raises(TraceError, match="is not UTF-8"):
        _messages(read_load(tmp_path / "a.csv"))


def test_csv_json_lines_and_the_trace_made_of_them_hold_the_same_messages(tmp_path):
    (tmp_path / "a.csv").write_text("arrival,duration\n10,1.5\n10.25,0\n12,200\n")
    (tmp_path / "a.jsonl").write_text(
        "\n".join(f'{{"arrival": {at}, "duration": {took}}}' for at, took in ((10, 1.5), (10.25, 0), (12, 200)))
    )
    expected = [(0, 1_500_000), (250_000, 0), (2_000_000, 200_000_000)]
    table = read_load(tmp_path / "a.csv")
    assert _messages(table) == _messages(read_load(tmp_path / "a.jsonl")) == expected
    assert write_trace(tmp_path / "a.trace", table.open(1)) == 3
    assert _messages(read_load(tmp_path / "a.trace")) == expected
    assert list(tmp_path.glob("*.partial")) == []


def test_dates_are_arrivals_as_well(tmp_path):
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    (tmp_path / "a.csv").write_text(
        f"timestamp,duration\n{begin.isoformat()},1\n{begin.replace(minute=1).isoformat()},1\n"
    )
    assert [at for at, _ in _messages(read_load(tmp_path / "a.csv"))] == [0, 60_000_000]


def test_a_date_without_a_time_zone_means_the_same_on_every_machine(tmp_path, monkeypatch):
    # In Berlin the second of these hours does not exist.
    rows = [f"2026-03-29T0{hour}:30:00,1\n" for hour in (1, 2, 3)]
    (tmp_path / "a.csv").write_text("arrival,duration\n" + "".join(rows))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        arrivals = [at for at, _ in _messages(read_load(tmp_path / "a.csv"))]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert arrivals == [0, 3_600_000_000, 7_200_000_000]


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000], ids=["s", "ms", "us", "ns"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_times_since_1970_are_read_in_the_unit_that_they_are_written_in(tmp_path, unit, suffix):
    """A log in milliseconds, read as seconds, would be a load of years."""
    begin = 1_793_000_000 * unit
    moments = [begin, begin + unit // 4, begin + 61 * unit]
    rows = [f"{at},1" if suffix == ".csv" else f'{{"arrival": {at}, "duration": 1}}' for at in moments]
    (tmp_path / f"a{suffix}").write_text("\n".join(["arrival,duration", *rows] if suffix == ".csv" else rows))
    arrivals = [at for at, _ in _messages(read_load(tmp_path / f"a{suffix}"))]
    assert arrivals == [0, 250_000 if unit > 1 else 0, 61_000_000]


@pytest.mark.parametrize(
    ("times", "said"),
    [
        # Berlin on 25 October 2026: 02:59 is followed by 02:00.
        (
            ["2026-10-25T02:59:59", "2026-10-25T02:00:00"],
            "sorting would mix two: write times in UTC or with their offset",
        ),
        (["2026-10-25T02:59:59", "2026-10-25T01:00:00"], "sort the file by arrival"),
        (["7", "5"], "sort the file by arrival"),
    ],
)
def test_an_hour_that_comes_twice_is_not_to_be_sorted(tmp_path, times, said):
    (tmp_path / "a.csv").write_text("arrival,duration\n" + "".join(f"{time},1\n" for time in times))
    with pytest.raises(TraceError, match="line 3: arrives before the line above it") as error:
        _messages(read_load(tmp_path / "a.csv"))
    assert said in str(error.value)
    assert ("UTC" in str(error.value)) == ("UTC" in said)


def test_an_hour_that_comes_twice_is_read_with_its_offsets(tmp_path):
    rows = ["2026-10-25T02:59:59+02:00,1\n", "2026-10-25T02:00:00+01:00,1\n"]
    (tmp_path / "a.csv").write_text("arrival,duration\n" + "".join(rows))
    assert [at for at, _ in _messages(read_load(tmp_path / "a.csv"))] == [0, 1_000_000]


def test_time_begins_with_the_first_minute_that_is_listed(tmp_path):
    (tmp_path / "a.csv").write_text("minute,count\n10,0\n11,0\n12,3\n")
    arrivals = [at for at, _ in _messages(read_load(tmp_path / "a.csv", _DURATIONS))]
    assert all(120_000_000 <= at < 180_000_000 for at in arrivals), "--why would tell of another minute"


@pytest.mark.parametrize("text", ["3\n0.5\n\n7\n", "kind,Duration\na,3\nb,0.5\nc,7\n"])
@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("a.csv", "minute,count\n0,500\n"),
        ("b.csv", "arrival\n" + "1\n" * 500),
        ("c.yaml", "messagesPerDay: 500\ndurations: {p50: 20s, max: 40s}\n"),
    ],
)
def test_measured_durations_are_drawn_from(tmp_path, text, name, load):
    (tmp_path / "took.csv").write_text(text)
    (tmp_path / name).write_text(load)
    taken = [took for _, took in _messages(read_load(tmp_path / name, read_samples(tmp_path / "took.csv")))]
    assert set(taken) == {3_000_000, 500_000, 7_000_000}
    assert all(len(taken) / 4 < taken.count(each) < len(taken) / 2 for each in set(taken)), "each as likely as another"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no duration"),
        ("duration\n", "has no duration"),
        ("1\n-2\n", "line 2: the duration is negative"),
        ("1\nx\n", "line 2: the duration is no number of seconds"),
        ("kind,duration\na,1\nb\n", "line 3: has no column 2"),
        ("1\n1e12\n", "line 2 takes"),
    ],
)
def test_samples_that_cannot_be_used_are_refused_with_their_line(tmp_path, text, said):
    (tmp_path / "took.csv").write_text(text)
    with pytest.raises(TraceError, match=said):
        read_samples(tmp_path / "took.csv")


def test_durations_for_a_trace_that_has_its_own_are_not_left_aside_in_silence(tmp_path):
    (tmp_path / "a.csv").write_text("arrival,duration\n1,2\n")
    write_trace(tmp_path / "a.trace", read_load(tmp_path / "a.csv").open(1))
    with pytest.raises(TraceError, match="leave out --durations"):
        read_load(tmp_path / "a.trace", _DURATIONS)


def test_counts_a_minute_are_spread_over_their_minute(tmp_path):
    (tmp_path / "a.csv").write_text("minute,count\n0,30\n2,10\n")
    durations = Durations.model_validate({"p50": "2s", "max": "20s"})
    messages = _messages(read_load(tmp_path / "a.csv", durations))
    arrivals = [at for at, _ in messages]
    assert arrivals == sorted(arrivals)
    first = arrivals[30] + (arrivals[0] - 0)
    assert len(messages) == 40
    assert first >= 60_000_000
    assert all(500_000 <= took <= 20_000_000 for _, took in messages)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([(5, 1), (4, 1)], "message 2 arrives before"),
        ([(1, 1), (2, -1)], "message 2 takes -1 us"),
        ([(1, 1), (10**15, 1)], "message 2 arrives 11,574 days after the first"),
        ([(1, 1), (2, 10**15)], "message 2 takes 11,574 days"),
    ],
)
def test_a_trace_that_is_unsorted_negative_or_endless_is_refused(tmp_path, pairs, said):
    file = tmp_path / "a.trace"
    file.write_bytes(MAGIC + array("q", [value for pair in pairs for value in pair]).tobytes())
    with pytest.raises(TraceError, match=said):
        list(read_trace(file))


def test_a_trace_that_is_cut_off_is_refused(tmp_path):
    file = tmp_path / "a.trace"
    write_trace(file, [(array("q", [1, 2]), array("q", [1, 1]))])
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(TraceError, match="ends in the middle of message 2"):
        list(read_trace(file))


@pytest.mark.parametrize("pattern", ["steady", "diurnal", "weekly", "bursts", "webhooks"])
def test_a_pattern_has_the_messages_it_says_in_order_and_the_same_for_a_seed(pattern):
    profile = LoadProfile.model_validate(
        {"pattern": pattern, "messagesPerDay": 20_000, "days": 7, "durations": {"p50": "1s", "p99": "9s", "max": "30s"}}
    )
    drawn = [pair for arrivals, took in draw_load(profile, 7) for pair in zip(arrivals, took, strict=True)]
    assert len(drawn) == pytest.approx(7 * 20_000, rel=0.02)
    assert [at for at, _ in drawn] == sorted(at for at, _ in drawn)
    assert 0 <= drawn[0][0] <= drawn[-1][0] < 7 * 86_400_000_000
    lengths = sorted(took for _, took in drawn)
    assert lengths[len(lengths) // 2] == pytest.approx(1_000_000, rel=0.05)
    assert lengths[-1] <= 30_000_000
    assert drawn == [pair for arrivals, took in draw_load(profile, 7) for pair in zip(arrivals, took, strict=True)]


def test_a_profile_whose_quantiles_fall_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("messagesPerDay: 10\ndurations: {p50: 9s, max: 2s}\n")
    with pytest.raises(SettingsError, match="must not fall"):
        read_load(tmp_path / "a.yaml")


def test_a_profile_so_thin_that_chance_draws_nothing_says_so():
    """A message a day is plausible, and every third seed of it has none."""
    profile = LoadProfile.model_validate({"messagesPerDay": 1, "durations": {"p50": "1s", "max": "30s"}})
    drawn = {}
    for seed in range(1, 30):
        try:
            drawn[seed] = sum(len(arrivals) for arrivals, _ in draw_load(profile, seed))
        except TraceError as error:
            assert f"seed {seed} draws none of messagesPerDay: 1 in days: 1; write more days" in str(error)  # noqa: PT017
    assert 0 not in drawn.values()
    assert 10 < len(drawn) < 29
