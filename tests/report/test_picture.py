"""A picture of a report is a PNG that any viewer opens."""

from __future__ import annotations

import struct
import sys
import zlib

import pytest

from ebbtide.judgement.findings import SettingsError
from ebbtide.report.model import Chart, Report, Series, Table
from ebbtide.report.picture import require_matplotlib, write_picture

_KINDS = ("line", "step", "area", "bar")


def _report(charts):
    series = [Series(kind, [(0.0, 1.0), (3600.0, 2.0)], kind) for kind in _KINDS]
    return Report("title", "lead", [Table("", [""], [])], [Chart("chart", "", "pods", series)] * charts)


def _chunks(data):
    place = 8
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        (checked,) = struct.unpack_from(">I", data, place + 8 + size)
        assert checked == zlib.crc32(kind + body), "the picture is damaged"
        yield kind, body
        place += 12 + size


@pytest.mark.slow
def test_a_picture_is_a_whole_png_with_something_on_it(tmp_path):
    write_picture(_report(2), tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks = list(_chunks(data))
    assert (chunks[0][0], chunks[-1][0]) == (b"IHDR", b"IEND")
    width, height = struct.unpack(">II", chunks[0][1][:8])
    assert width == 1210
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    assert len(pixels) == height * (1 + 4 * width)
    assert len(set(pixels)) > 20, "an empty sheet"


def test_a_picture_is_as_high_as_it_has_charts(tmp_path):
    heights = []
    for charts in (1, 3):
        write_picture(_report(charts), tmp_path / "a.png")
        heights.append(struct.unpack_from(">I", (tmp_path / "a.png").read_bytes(), 20)[0])
    assert heights[1] > 2 * heights[0]


def test_without_matplotlib_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SettingsError, match=r"needs matplotlib to draw a\.png; run `pip install matplotlib`"):
        require_matplotlib(tmp_path / "a.png")
    with pytest.raises(SettingsError, match="needs matplotlib"):
        write_picture(_report(1), tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
