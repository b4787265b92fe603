"""What doctor does not know it says: nothing is passed over in silence, and nothing is claimed."""

from __future__ import annotations

import re
import shlex

import pytest
from tests import quick_yaml

from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.files import File


def deployment(command, hook=None):
    container = {"name": "w", "image": "registry.example/app:1", "command": command}
    if hook:
        container["lifecycle"] = {"preStop": {"exec": {"command": hook}}}
    pod = {"terminationGracePeriodSeconds": 90, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "jobs"},
        "spec": {"template": {"spec": pod}},
    }


def report(*objects, files=()):
    return diagnose_files([File("jobs.yaml", quick_yaml.dump_all(objects)), *files])


def said(*objects, files=()):
    return "\n".join(note.text for note in report(*objects, files=files).notes)


@pytest.mark.parametrize(
    ("command", "parent"),
    [
        ("watchmedo auto-restart -d . -- celery -A shop worker", "watchmedo"),
        ("/usr/local/bin/chamber exec prod -- bundle exec sidekiq", "chamber"),
        ("aws-vault exec prod -- php artisan queue:work", "aws-vault"),
    ],
)
def test_a_program_that_nobody_knows_between_the_signal_and_the_worker_is_named(command, parent):
    assert re.search(
        rf"under {parent}, (?:of which nobody here knows|and whether the stop signal gets through)",
        said(deployment(command.split())),
    )


@pytest.mark.parametrize(
    "command",
    [
        "celery -A shop worker",
        "python3.12 -m celery -A shop worker",
        "/usr/bin/php8.3 /srv/bin/console messenger:consume mail",
        "bundle exec sidekiq",
        "tini -- php artisan queue:work",
        "ruby /usr/bin/sidekiq",
    ],
)
def test_an_interpreter_is_no_such_program(command):
    assert "nobody here knows" not in said(deployment(command.split()))


@pytest.mark.parametrize("command", ["su app -c 'celery -A shop worker'", "npx celery -A shop worker"])
def test_what_is_judged_or_doubted_already_is_not_named_a_second_time(command):
    assert "nobody here knows" not in said(deployment(shlex.split(command)))


@pytest.mark.parametrize(
    "hook",
    [
        ["sh", "-c", "shopctl drain --all && sleep 5"],
        ["bash", "-lc", "shopctl drain"],
        ["shopctl", "drain"],
        ["bash", "/srv/hook.sh"],
    ],
)
def test_a_program_of_the_hook_that_nobody_knows_is_named_wherever_it_stands(hook):
    script = File("hook.sh", "#!/bin/bash\ngreet() { echo $1; }\ngreet stop\nshopctl drain\n")
    notes = said(deployment(["celery", "-A", "s", "worker"], hook), files=[script])
    assert "'shopctl drain" in notes
    assert "greet" not in notes


def test_what_a_hook_does_that_is_known_is_not_named():
    hook = ["sh", "-c", "touch /tmp/stop; kill -TSTP 1; while pgrep -f sidekiq; do sleep 1; done"]
    assert "is not known here" not in said(deployment(["bundle", "exec", "sidekiq"], hook))


def test_an_autoscaler_of_something_else_is_said_to_be_one():
    scaler = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "jobs"},
        "spec": {"scaleTargetRef": {"name": "mail"}, "triggers": []},
    }
    worker = deployment(["celery", "-A", "s", "worker"])
    assert "scales Deployment mail, which is not in what was handed over" in said(worker, scaler)
    assert "(is Deployment jobs meant?)" in said(worker, scaler)
    scaler["spec"]["scaleTargetRef"]["name"] = "jobs"
    assert "is not in what was handed over" not in said(worker, scaler)


@pytest.mark.parametrize(("text", "is_open"), [('shift\nexec "$@"\n', True), ('set -e\nexec "$@"\n', False)])
def test_a_script_that_becomes_what_only_its_run_knows_is_not_judged(text, is_open):
    start = deployment(["/srv/run.sh", "app", "celery", "-A", "s", "worker"])
    notes = said(start, files=[File("run.sh", f"#!/bin/sh\n{text}")])
    assert ("is known only when it runs" in notes) is is_open


HANDLERS = {
    "kills and waits": ("trap 'kill -TERM $pid; wait $pid' TERM\ncelery -A s worker &\npid=$!\nwait $pid\n", True),
    "waits again": ("stop() { kill $pid; }\ntrap stop SIGTERM\ncelery -A s worker &\npid=$!\nwait\nwait\n", True),
    "waits in a loop": (
        "trap 'kill $pid' TERM\ncelery -A s worker &\npid=$!\nwhile kill -0 $pid; do wait $pid; done\n",
        True,
    ),
    "waits once": ("trap 'kill -TERM $pid' TERM\ncelery -A s worker &\npid=$!\nwait $pid\n", False),
    "a function, and one wait": ("stop() { kill $pid; }\ntrap stop TERM\ncelery -A s worker &\npid=$!\nwait\n", False),
    "says goodbye and ends": ("trap 'echo bye; exit 0' TERM\ncelery -A s worker &\nwait\n", False),
    "of another signal": ("trap 'kill $pid' EXIT\ncelery -A s worker &\npid=$!\nwait\n", False),
    "in the foreground, where the handler waits": ("trap 'kill $pid' TERM\ncelery -A s worker\n", False),
}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_that_may_pass_the_signal_on_is_not_judged_and_any_other_loses(name):
    text, may_pass_on = HANDLERS[name]
    found = report(deployment(["bash", "/srv/run.sh"]), files=[File("run.sh", f"#!/bin/bash\n{text}")])
    assert ("D-11" in {one.rule for one in found.diagnoses}) is not may_pass_on
    assert any("handles the stop signal by itself" in note.text for note in found.notes) is may_pass_on


@pytest.mark.parametrize("start", ["supervisord", "tini -- supervisord", "/entrypoint.sh /usr/bin/supervisord"])
@pytest.mark.parametrize("via", ["", "exec"])
def test_supervisord_s_programs_are_seen_whatever_starts_it(start, via):
    command = f"{start} -n -c /etc/mail.conf".split()
    script = File("run.sh", f"#!/bin/sh\necho supervisord\nexec {' '.join(command)}\n")
    conf = File("mail.conf", "[supervisord]\nnodaemon=true\n[program:mail]\ncommand=celery -A s worker\n")
    found = report(deployment(["sh", "/srv/run.sh"] if via else command), files=[script, conf])
    assert found.seen[0] == "Deployment jobs: celery worker under supervisord (mail.conf)"


def quota(namespace="", **hard):
    metadata = {"name": "q"} | ({"namespace": namespace} if namespace else {})
    hard = {key.replace("_", "."): value for key, value in hard.items()}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}


@pytest.mark.parametrize(
    ("resources", "given", "named"),
    [
        ({}, quota(limits_memory="8Gi"), "wants limits.memory of every container, and w says none"),
        ({}, quota(memory="8Gi", pods="9"), "wants memory of every container"),
        ({"requests": {"memory": "1Gi"}}, quota(limits_memory="8Gi", requests_memory="8Gi"), "wants limits.memory of"),
        ({"limits": {"memory": "1Gi"}}, quota(limits_memory="8Gi", requests_memory="8Gi"), ""),
        ({}, quota(pods="9"), ""),
        ({}, quota("elsewhere", limits_memory="8Gi"), ""),
    ],
)
def test_a_quota_on_what_a_container_does_not_say_is_named(resources, given, named):
    worker = deployment(["celery", "-A", "s", "worker"])
    worker["metadata"]["namespace"] = "shop"
    worker["spec"]["template"]["spec"]["containers"][0]["resources"] = resources
    notes = said(worker, given)
    assert ("ResourceQuota" in notes, named in notes) == (bool(named), True)
