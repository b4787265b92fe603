"""Whatever a file holds, it is read as a sorted load or refused by its name: there is no third way out."""

from __future__ import annotations

import json
import tracemalloc
from array import array
from itertools import islice

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ebbtide.capacity import load as load_module
from ebbtide.capacity import trace as trace_module
from ebbtide.capacity.load import read_load
from ebbtide.capacity.profile import Durations
from ebbtide.capacity.trace import MAGIC, write_trace
from ebbtide.judgement.findings import SettingsError

_NUMBERS = [
    "0",
    "1",
    "2.5",
    "-1",
    "1e3",
    "1e300",
    "nan",
    "-inf",
    "1_0",
    "",
    " 7 ",
    "2026-03-01T00:00:00Z",
    "x",
    "é",
]
_ROWS = st.lists(st.sampled_from(_NUMBERS), max_size=4).map(",".join)
_CSV = st.builds(
    lambda header, rows, end: end.join([header, *rows]).encode(),
    st.sampled_from(
        ["arrival,duration", "duration,time", "timestamp", "minute,count", "minute", "", '"arrival', "\ufeff"]
    ),
    st.lists(_ROWS, max_size=6),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
)
_VALUES = st.recursive(
    st.sampled_from(["0", "1", "2.5", "-1", "1e300", "NaN", "null", "true", '"2026-03-01"', '"x"', '"\\ud800"']),
    lambda inner: st.lists(inner, max_size=2).map(lambda items: f"[{','.join(items)}]"),
    max_leaves=3,
)
_OBJECTS = st.lists(
    st.tuples(st.sampled_from(["arrival", "duration", "time", "seconds", "x"]), _VALUES), max_size=3
).map(lambda pairs: "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}")
_JSON_LINES = st.lists(_OBJECTS | _VALUES | st.text(max_size=5), max_size=5).map(
    lambda lines: "\n".join(lines).encode(errors="surrogatepass")
)
_TRACE = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 10**9), max_size=12).map(
    lambda values: MAGIC + array("q", values).tobytes()
)
_PROFILE = st.builds(
    lambda pattern, messages, days, peak, p50, longest: (
        f"pattern: {pattern}\nmessagesPerDay: {messages}\ndays: {days}\npeakToTrough: {peak}\n"
        f"durations: {{p50: {p50}, max: {longest}}}\n"
    ).encode(),
    st.sampled_from(["steady", "diurnal", "weekly", "bursts", "webhooks", "flat"]),
    st.sampled_from([0, 1, 500, 3_000_000, -1, "1e3", "x"]),
    st.sampled_from([0, 1, 31, 32, "~"]),
    st.sampled_from([1, 0.5, 1000, ".nan"]),
    st.sampled_from(["0s", "2s", "2", "1h"]),
    st.sampled_from(["0s", "1s", "200s", "24h"]),
)
_DURATIONS = Durations.model_validate({"p50": "2s", "max": "20s"})


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """One for all examples."""
    return tmp_path_factory.mktemp("loads")


def _read_or_refuse(file, durations):
    """The beginning of a load, or the refusal of it."""
    messages, refused = [], None
    try:
        for arrivals, lengths in islice(read_load(file, durations).open(1), 20):
            messages += zip(arrivals, lengths, strict=True)
    except SettingsError as error:
        refused = error
    assert refused is None or str(file) in str(refused), "a refusal that names no file"
    return messages, refused


def _assert_sound(messages):
    arrivals = [arrival for arrival, _ in messages]
    assert arrivals == sorted(arrivals)
    assert all(arrival >= 0 and length >= 0 for arrival, length in messages), "the kernel relies on it"


def _almost(suffix, contents):
    return st.tuples(st.just(suffix), contents)


@settings(max_examples=200, deadline=None)
@given(
    almost=_almost(".csv", _CSV)
    | _almost(".jsonl", _JSON_LINES)
    | _almost(".trace", _TRACE)
    | _almost(".yaml", _PROFILE),
    durations=st.sampled_from([None, _DURATIONS]),
)
def test_anything_like_a_load_is_one_or_is_refused(directory, almost, durations):
    suffix, content = almost
    file = directory / f"almost{suffix}"
    file.write_bytes(content)
    messages, refused = _read_or_refuse(file, durations)
    event(f"{suffix} {'refused' if refused else 'read' if messages else 'empty'}")
    _assert_sound(messages)


@settings(deadline=None)
@given(
    content=st.binary(max_size=200) | st.binary(max_size=100).map(MAGIC.__add__),
    suffix=st.sampled_from([".csv", ".jsonl", ".yaml", ".yml", ".trace", ".txt", ""]),
)
def test_any_bytes_under_any_name_are_a_load_or_are_refused(directory, content, suffix):
    file = directory / f"any{suffix}"
    file.write_bytes(content)
    _assert_sound(_read_or_refuse(file, _DURATIONS)[0])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 45 * 86_400_000), st.integers(0, 86_400_000)), min_size=1, max_size=20).map(
        sorted
    ),
    st.sampled_from([",", ", "]),
)
def test_a_sound_load_is_read_message_by_message_from_every_kind_of_file(directory, messages, comma):
    # In milliseconds, so that their decimal fractions are exact in microseconds.
    first = messages[0][0]
    expected = [(1000 * (at - first), 1000 * took) for at, took in messages]
    rows = [f"{at / 1000!r}{comma}{took / 1000!r}" for at, took in messages]
    files = [directory / f"sound{suffix}" for suffix in (".csv", ".jsonl", ".trace")]
    files[0].write_text("\r\n".join([f"arrival{comma}duration", *rows]))
    files[1].write_text("\n".join(json.dumps({"time": at / 1000, "seconds": took / 1000}) for at, took in messages))
    assert write_trace(files[2], read_load(files[0]).open(1)) == len(messages)
    assert [_read_or_refuse(file, None) for file in files] == [(expected, None)] * 3


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".trace", ".csv"])
def test_a_load_longer_than_memory_is_read_a_piece_at_a_time(directory, monkeypatch, suffix):
    # What other threads of this process take meanwhile is counted too: 150 kB were seen, a third of such a piece.
    size, pieces = 8192, 12
    monkeypatch.setattr(load_module, "CHUNK_MESSAGES", size)
    monkeypatch.setattr(trace_module, "CHUNK_MESSAGES", size)
    file = directory / "long.csv"
    file.write_text("arrival,duration\n" + "".join(f"{place},1\n" for place in range(pieces * size)))
    if suffix == ".trace":
        table, file = file, directory / "long.trace"
        write_trace(file, read_load(table).open(1))
    tracemalloc.start()
    try:
        chunks = read_load(file).open(1)
        next(chunks)
        _, first = tracemalloc.get_traced_memory()
        assert sum(1 for _ in chunks) == pieces - 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * first, "what was read stays in memory"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b'arrival,duration\n0,1\n"' + b"a" * 200_000, "line 3: is no CSV (field larger than field limit"),
        ("a.jsonl", b'{"arrival": 0, "duration": 1}\n' + b"[" * 100_000, "line 2: is not JSON"),
        ("a.jsonl", b'{"arrival": ' + b"9" * 400 + b', "duration": 1}', "line 1: the arrival is no number of seconds"),
        (
            "a.yaml",
            b"messagesPerDay: 10\ndurations: {p50: 1s, max: 169h}",
            "durations.max: must be at most 168h (got 169h)",
        ),
        (
            "a.yaml",
            b"messagesPerDay: 10\ndurations: {p50: 1s, max: " + b"9" * 310 + b"h}",
            "durations.max: must be at most",
        ),
        ("a.csv", b"minute,count\n\n0,1\n\n1,x\n", "line 5: is no minute and count"),
    ],
    ids=[
        "a lost quote",
        "brackets",
        "a huge whole number",
        "longer than is simulated",
        "a huge duration",
        "blank lines",
    ],
)
def test_what_no_reader_expects_is_refused_with_its_place(directory, name, content, said):
    (directory / name).write_bytes(content)
    _, refused = _read_or_refuse(directory / name, _DURATIONS)
    assert said in str(refused)


def test_a_mark_at_the_beginning_and_blank_lines_are_no_rows(directory):
    (directory / "a.csv").write_bytes(b"\xef\xbb\xbfminute,count\r\n0,2\r\n\r\n1,1\r\n\r\n")
    messages, refused = _read_or_refuse(directory / "a.csv", _DURATIONS)
    assert refused is None, "a spreadsheet's CSV begins with a mark"
    assert len(messages) == 3
