"""Help is what a newcomer reads first."""

from typer.testing import CliRunner

from ebbtide.cli.main import app


def test_the_list_of_commands_cuts_no_sentence_off():
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80", "TERM": "dumb"}).output
    listed = shown.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert len(listed) > 10
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []
