"""`check` and the image judge a worker's command alike, and neither calls safe what it does not know."""

from __future__ import annotations

import pytest
from tests.handover_cases import ACCEPTED, DOUBTED, REFUSED
from tests.settings.conftest import CONSUMER

from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.loading.loader import read_stack
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.check import check_stack


def judged(project, command, **changes) -> dict[str, str]:
    """Rule and sentence of everything that is said of this command."""
    worker = {"kind": "command", "command": command, **changes.pop("worker", {})}
    consumer = {**CONSUMER, "worker": worker, **changes}
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": {"jobs": consumer}})
    try:
        findings = check_stack(read_stack("dev", project.root).settings)
    except SettingsError as error:
        findings = error.findings
    return {finding.rule: str(finding) for finding in findings if finding.rule[:4] in {"V-21", "V-25"}}


def argv_of(case):
    return [case.shell, "-c", case.script, "--", *case.arguments]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_a_script_that_is_proved_to_become_the_worker_is_accepted(project, case):
    assert judged(project, argv_of(case)) == {}


# A stack file cannot hold Windows line ends: YAML makes them its own.
@pytest.mark.parametrize("case", [case for case in REFUSED if "\r" not in case.script], ids=lambda case: case.name)
def test_a_script_behind_which_a_message_is_lost_is_refused_with_its_line(project, case):
    assert case.words in judged(project, argv_of(case))["V-21"]


@pytest.mark.parametrize("case", DOUBTED, ids=lambda case: case.name)
def test_what_cannot_be_known_of_a_script_is_a_warning(project, case):
    found = judged(project, argv_of(case))
    assert set(found) == {"V-21a"}
    assert case.words in found["V-21a"]


@pytest.mark.parametrize("command", [["/app/worker.sh"], ["sh", "worker.sh"], ["/docker-entrypoint", "worker"]])
def test_a_script_in_the_image_is_not_judged_here_and_that_is_said(project, command):
    assert "not judged" in judged(project, command)["V-21a"]


def test_a_right_script_in_a_block_of_yaml_is_accepted(project):
    """e07: it ends in exec, and was told to end in exec."""
    script = "cd /app\nexec celery -A shop worker --pool=solo\n"
    assert judged(project, ["sh", "-c", script]) == {}


def test_without_the_parser_a_script_is_a_warning_and_not_accepted_in_silence(project, monkeypatch):
    from ebbtide.image.ebbtide_supervisor import syntax
    from ebbtide.settings.rules import handover

    handover._verdict.cache_clear()
    syntax.parse.cache_clear()
    monkeypatch.setattr(syntax, "shfmt", lambda: None)
    found = judged(project, ["sh", "-c", "exec worker"])
    handover._verdict.cache_clear()
    assert "shfmt is missing" in found["V-21a"]


SIGNALS = [
    (["php", "artisan", "queue:work", "redis"], "TERM", "QUIT"),
    (["php8.3", "/app/artisan", "--env=prod", "queue:work"], "TERM", "USR2"),
    (["sh", "-c", "cd /app && exec php artisan queue:work"], "TERM", "INT"),
    (["celery", "-A", "shop", "worker"], "TERM INT", "QUIT"),
    (["python", "-m", "celery", "--app", "shop", "worker", "-P", "solo"], "TERM INT", "HUP"),
    (["bundle", "exec", "sidekiq", "-t", "120"], "TERM INT", "USR1"),
    (["rq", "worker", "high"], "TERM INT", "QUIT"),
    (["dramatiq", "shop.tasks"], "TERM INT", "HUP"),
    (["huey_consumer", "shop.huey"], "INT", "TERM"),
    (["bundle", "exec", "rake", "resque:work"], "QUIT", "TERM"),
    (["php", "artisan", "horizon"], "TERM INT", "QUIT"),
    (["php", "bin/console", "messenger:consume", "async"], "TERM", "INT"),
]


@pytest.mark.parametrize(("command", "right", "wrong"), SIGNALS, ids=str)
def test_a_known_program_is_stopped_by_a_signal_that_it_finishes_on(project, command, right, wrong):
    for signal in right.split():
        assert judged(project, command, worker={"stopSignal": signal}) == {}, signal
    found = judged(project, command, worker={"stopSignal": wrong})
    assert found["V-25"].startswith("consumers.jobs.worker.stopSignal: ")
    assert f"not on {wrong}" in found["V-25"]
    assert f"write {right.split()[0]}" in found["V-25"]


def test_by_which_signal_a_worker_ends_is_nothing_to_one_that_is_told_by_a_file(project):
    never_told = {"stopSignal": "QUIT", "drain": "stopFile"}
    assert judged(project, ["celery", "-A", "shop", "worker"], worker=never_told) == {}


def test_a_program_that_cannot_be_drained_is_refused_on_every_signal(project):
    for signal in ("TERM", "QUIT"):
        found = judged(project, ["php", "artisan", "queue:listen"], worker={"stopSignal": signal})
        assert found["V-25"].startswith("consumers.jobs.worker.command: "), "no signal of it would be right"
        assert "run artisan queue:work" in found["V-25"]


def test_a_variable_that_makes_celery_cancel_its_tasks_is_refused(project):
    found = judged(project, ["celery", "-A", "shop", "worker"], environment={"REMAP_SIGTERM": "SIGQUIT"})
    assert "cold shutdown" in found["V-25"]


def test_sidekiq_waits_for_the_longest_message(project):
    longest = {"shutdown": {"longestMessage": "90s"}}
    assert "add --timeout 90" in judged(project, ["bundle", "exec", "sidekiq"], **longest)["V-25a"]
    assert "add --timeout 90" in judged(project, ["sidekiq", "-t60"], **longest)["V-25a"]
    assert judged(project, ["sidekiq", "--timeout", "90"], **longest) == {}
    for enough, own in (("25s", {}), ("26s", {"V-25a"})):
        assert set(judged(project, ["sidekiq"], shutdown={"longestMessage": enough})) == set(own), enough


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", 'exec sidekiq -t "$TIMEOUT"'],
        ["sidekiq", "--timeout=$(T)"],
        ["sidekiq", "-t", "$(T)"],
        ["sidekiq", "-C", "config/sidekiq.yml"],
        ["bundle", "exec", "sidekiq", "--config=config/mail.yml"],
    ],
)
def test_a_timeout_of_sidekiq_that_is_known_only_when_it_runs_is_not_judged_and_that_is_said(project, command):
    found = judged(project, command, shutdown={"longestMessage": "90s"})
    assert set(found) == {"V-25a"}
    assert "whether it waits for the longest message (90s) is not judged; write --timeout 90" in found["V-25a"]


def test_a_command_of_messenger_is_no_program_of_the_table():
    assert ConsumerSettings.model_validate({**CONSUMER, "name": "a"}).worker.stop_signal == "TERM"


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (["dumb-init", "-r", "15:3", "celery", "-A", "shop", "worker"], "not on QUIT"),
        (["dumb-init", "--rewrite", "15:2", "php", "artisan", "queue:work"], "not on INT"),
        (["sh", "-c", "exec dumb-init -r 15:2 -- php bin/console messenger:consume mail"], "not on INT"),
        (["dumb-init", "-c", "-r", "15:2", "celery", "-A", "shop", "worker"], ""),
        (["dumb-init", "-r", "15:2", "huey_consumer.py", "shop.huey"], ""),
        (["dumb-init", "-c", "-r", "2:15", "celery", "-A", "shop", "worker"], ""),
    ],
)
def test_an_init_that_makes_another_signal_of_it_is_judged_by_that_one(project, command, refused):
    found = judged(project, command)
    assert refused in found.get("V-25", "") if refused else found == {}, found


CELERY = ["celery", "-A", "shop", "worker"]


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (["dumb-init", *CELERY], "dumb-init signals the whole group"),
        (["dumb-init", "--", *CELERY, "--pool=prefork", "-c", "2"], "dumb-init signals the whole group"),
        (["dumb-init", *CELERY, "-P", "processes"], "dumb-init signals the whole group"),
        (["tini", "-g", "--", *CELERY], "tini signals the whole group"),
        (["sh", "-c", "exec tini -sg celery -A shop worker"], "tini signals the whole group"),
        (["dumb-init", "--single-child", *CELERY], ""),
        (["dumb-init", "-c", *CELERY], ""),
        (["tini", "--", *CELERY], ""),
        (["dumb-init", *CELERY, "--pool=threads"], ""),
        (["dumb-init", *CELERY, "-Psolo"], ""),
        (["dumb-init", "php", "bin/console", "messenger:consume", "mail"], ""),
    ],
)
def test_an_init_that_signals_celerys_own_processes_is_refused(project, command, refused):
    found = judged(project, command)
    assert refused in found.get("V-25", "") if refused else found == {}, found
    assert "V-25" not in judged(project, command, environment={"DUMB_INIT_SETSID": "0"}) or command[0] != "dumb-init"
