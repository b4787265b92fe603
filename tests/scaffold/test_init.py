"""`ebbtide init`: a project that the next command accepts, from nothing or from what runs, and nothing written over."""

from __future__ import annotations

import io
from functools import cache

import pytest
from tests import quick_yaml
from tests.cli.conftest import ROOT
from tests.doctor.bundles import article, bundles
from tests.doctor.test_edges import workload

from ebbtide.cli.many_paths import spread
from ebbtide.doctor.connect import connect
from ebbtide.doctor.document import DoctorDocument
from ebbtide.doctor.files import File
from ebbtide.doctor.read import read_all
from ebbtide.judgement.findings import Level, SettingsError
from ebbtide.scaffold.answers import Project, example_consumer
from ebbtide.scaffold.broker import follow_queue, read_dsn
from ebbtide.scaffold.carry import carry
from ebbtide.scaffold.files import stack_text, write_project
from ebbtide.scaffold.migration import migration_text
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.rules.check import check_stack

# That no signal drains RQ's worker for Heroku, `check` says and refuses.
SET_UPS = {
    bundle.name: bundle
    for bundle in (article(), *bundles("recipes", "public", "own"), *bundles("reports", "right")[::5])
    if "heroku" not in bundle.name
}


@cache
def carried(name):
    """What is carried over of a set-up, when it is asked for: each process of a run collects these tests."""
    return carry(connect(read_all(SET_UPS[name].files)))


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_from_nothing_the_next_commands_accept_the_project(ebbtide, tmp_path):
    made = ebbtide("init", str(tmp_path / "shop"), "--receivers", "mail sms")
    assert made.returncode == 0, made.stderr
    for command in (["check"], ["explain", "--stack", "dev"], ["render", "--stack", "dev"]):
        done = ebbtide(*command, "--project", str(tmp_path / "shop"))
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "shop/docker/consumer/entrypoint").is_file()


BROKERS = {
    "redis://10.20.0.7:6379/mail": ("redis", {"stream": "mail", "address": "10.20.0.7:6379"}, 6379),
    "rediss://10.20.0.7": ("redis", {"stream": "messages", "address": "10.20.0.7:6379", "tls": True}, 6379),
    "valkeys://10.20.0.7:6380/mail": ("redis", {"stream": "mail", "address": "10.20.0.7:6380", "tls": True}, 6380),
    "amqp://guest@10.20.0.7/%2f": ("rabbitmq", {"queue": "messages", "address": "10.20.0.7:15672"}, 5672),
    "redis://10.20.0.7/mail/workers/one": ("redis", {"stream": "mail"}, 6379),
    "amqp://10.20.0.7:5672/%2f/mails": ("rabbitmq", {"queue": "mails"}, 5672),
    "amqps://10.20.0.7/shop": ("rabbitmq", {"address": "10.20.0.7:15671", "virtualHost": "shop"}, 5671),
    "postgresql://app@10.20.0.7/shop": ("doctrine", {"address": "10.20.0.7:5432", "username": "app"}, 5432),
    "mysql://10.20.0.7:3307/shop": ("doctrine", {"platform": "mysql", "address": "10.20.0.7:3307"}, 3307),
}


@pytest.mark.parametrize("dsn", BROKERS)
def test_who_names_the_broker_has_a_consumer_that_follows_its_queue_to_zero(dsn, tmp_path):
    kind, transport, port = BROKERS[dsn]
    plain = Project("shop", "dev", "gkeStandard", "1.34", {"mail": example_consumer("mail:1", ["mail"], 20, "60s")})
    write_project(follow_queue(plain, "mail", read_dsn(dsn)), tmp_path)
    stack = load_stack("dev", tmp_path)
    assert [str(one) for one in check_stack(stack) if one.level >= Level.WARNING] == []
    written = quick_yaml.load((tmp_path / "stacks/Pulumi.dev.yaml").read_text())["config"]["ebbtide:consumers"]["mail"]
    assert written["transport"]["kind"] == kind
    assert transport.items() <= written["transport"].items()
    assert written["autoscaling"] == {"kind": "keda", "minReplicas": 0, "maxReplicas": 10}
    assert written["network"] == {"egress": [{"cidr": "10.20.0.7/32", "ports": [port]}]}


def test_the_head_of_the_stack_file_says_which_secret_is_to_be_made():
    plain = Project("shop", "dev", "gkeStandard", "1.34", {"mail": example_consumer("mail:1", ["mail"], 20, "60s")})
    text = stack_text(follow_queue(plain, "mail", read_dsn("amqp://broker.internal")))
    keys = ("dsn", "username", "password")
    assert f"secret generic mail-broker-v1 {' '.join(f'--from-literal={key}=...' for key in keys)}\n" in text
    # A policy knows no names: nobody would find out before the workers hang.
    assert "# Workers reach nothing but DNS until" in text


@pytest.mark.parametrize(
    "dsn",
    [
        *(
            "redis://:s3cr3t@h/x",
            "redis://s3cr3t@h",
            "rediss://u:s3cr3t/a@h:1/x",
            "amqp://u:s3cr3t@h",
            "kafka://s3cr3t",
        ),
        *("postgresql://u:p@s3cr3t@h/x", "redis://h:6379,s3cr3t:6379", "redis://h:99999/s3cr3t", "s3cr3t", "amqp://"),
    ],
)
def test_a_dsn_that_cannot_be_used_is_one_line_that_does_not_repeat_it(dsn):
    with pytest.raises(SettingsError) as refusal:
        read_dsn(dsn)
    assert "s3cr3t" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--longest-message", "90", "--broker", "redis://h/x"], "--longest-message: is not a duration (got '90')"),
        (
            ["--from", str(ROOT / "examples/before"), "--broker", "redis://p@h/x"],
            "--broker: holds a password",
        ),
    ],
)
def test_options_that_cannot_be_followed_are_one_line_and_write_nothing(options, said, ebbtide, tmp_path):
    done = ebbtide("init", str(tmp_path / "shop"), *options)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "shop").exists()


WRONG = {
    "--name": ("shop kasse", "is no project's name to Pulumi"),
    "--stack": ("Dev", "is not a Kubernetes name"),
    "--kubernetes": ("1.34.1-gke.5", "is not of the right form (got '1.34.1-gke.5'); write for example 1.34"),
    "--consumer": ("Mail_1", "is not a Kubernetes name"),
    "--image": ("mail", "names no version"),
    "--receivers": ("", "has 0 entries; write at least 1"),
    "--processes": ("500", "must be at most 400 (got 500)"),
    "--longest-message": ("2h", "a node upgrade waits 1h and kills"),
    "--broker": ("redis://10.20.0.7:6379/mail/../x y", "is none of redis://"),
}


@pytest.mark.parametrize("option", WRONG)
def test_no_answer_is_written_that_check_refuses(option, ebbtide, tmp_path):
    answer, said = WRONG[option]
    done = ebbtide("init", str(tmp_path / "shop"), option, answer)
    assert done.returncode == 1
    assert f"error: {option}: " in done.stderr
    assert said in done.stderr
    assert not (tmp_path / "shop").exists()
    if option in ("--name", "--stack", "--kubernetes", "--broker"):
        read = ("--from", str(ROOT / "examples/before"))
        assert said in ebbtide("init", str(tmp_path / "shop"), *read, option, answer).stderr
        assert not (tmp_path / "shop").exists()


SCHEMES = ("redis", "rediss", "valkey", "valkeys", "amqp", "amqps", "postgresql", "mysql")


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self):
        return True


def test_who_answers_wrongly_on_a_terminal_is_told_and_asked_again(ebbtide, tmp_path, monkeypatch):
    answers = ("shop kasse", "kasse", "Mail_1", "mails", "", " ", "mail sms", "many", "12", "90", "90s", "h:1", "")
    monkeypatch.setattr("sys.stdin", Terminal("\n".join(answers) + "\n"))
    done = ebbtide("init", str(tmp_path / "shop"))
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert [line.split(" (got ")[0].split(";")[0] for line in told] == [
        "error: is no project's name to Pulumi: up to 100 letters, digits, '-', '_' and '.'",
        "error: is not a Kubernetes name (lowercase letters, digits and '-', at most 63 characters)",
        "error: has 0 entries",
        "error: is no whole number",
        "error: is not a duration",
        f"error: is none of {', '.join(f'{scheme}://' for scheme in SCHEMES)} with one host",
    ]
    assert quick_yaml.load((tmp_path / "shop/Pulumi.yaml").read_text())["name"] == "kasse"
    (one,) = load_stack("dev", tmp_path / "shop").consumers.values()
    assert (one.name, one.worker.receivers, one.worker.processes) == ("mails", ("mail", "sms"), 12)


def test_long_messages_are_protected_from_a_node_s_scale_down_as_check_asks(ebbtide, tmp_path):
    assert ebbtide("init", str(tmp_path), "--longest-message", "20m").returncode == 0
    assert ebbtide("check", "--project", str(tmp_path)).returncode == 0


NAMES = {
    **{name: name for name in ("web1", "shop_2", "3teams", "Shop", "shop.eu", "-x-", "2026", "s" * 100)},
    "shop kasse": "shop-kasse",
    "küche": "k-che",
    "\u65e5": "shop",
    "s" * 101: "s" * 100,
}


@pytest.mark.parametrize("directory", NAMES)
def test_a_project_is_called_as_its_directory_unless_pulumi_refuses_the_name(directory, ebbtide, tmp_path):
    done = ebbtide("init", str(tmp_path / directory))
    assert done.returncode == 0, done.stderr
    assert quick_yaml.load((tmp_path / directory / "Pulumi.yaml").read_text())["name"] == NAMES[directory]
    said = f"is no project's name to Pulumi; the project is {NAMES[directory]}"
    assert (said in done.stderr) == (directory != NAMES[directory])


def test_a_second_run_changes_nothing_and_says_so(ebbtide, tmp_path):
    ebbtide("init", str(tmp_path))
    before = contents(tmp_path)
    again = ebbtide("init", str(tmp_path), "--name", "other", "--consumer", "other")
    assert again.returncode == 0
    assert contents(tmp_path) == before
    assert "new " not in again.stdout


def test_what_is_there_is_never_written_over(ebbtide, tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: mine\nruntime: python\n")
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/Dockerfile").write_text("FROM mine\n")
    ebbtide("init", str(tmp_path))
    assert (tmp_path / "Pulumi.yaml").read_text() == "name: mine\nruntime: python\n"
    assert [path.name for path in (tmp_path / "docker").iterdir()] == ["Dockerfile"]


def test_a_team_s_own_docker_directory_is_not_built_for_ebbtide_s(ebbtide, tmp_path):
    for directory in ("docker", "k8s"):
        (tmp_path / directory).mkdir()
    for name in ("Dockerfile", "supervisord.conf", "consume.sh", "orders.yaml"):
        directory = "k8s" if name == "orders.yaml" else "docker"
        (tmp_path / directory / name).write_text((ROOT / "examples/before" / name).read_text())
    command = ["init", str(tmp_path), "--from", str(tmp_path / "k8s"), str(tmp_path / "docker")]
    made = ebbtide(*command, "--name", "shop")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "consumer-image/consumer/entrypoint").is_file()
    assert "consumer-image/" in (tmp_path / "MIGRATION.md").read_text()
    assert not (tmp_path / "docker/consumer").exists()
    before = contents(tmp_path)
    assert ebbtide(*command).returncode == 0
    assert contents(tmp_path) == before


def test_every_path_behind_from_is_read_as_help_and_readme_write_it():
    assert spread("--from", ["shop/", "--from", "a", "b", "-", "--name", "x", "--from=c", "d"]) == [
        *("shop/", "--from", "a", "--from", "b", "--from", "-", "--name", "x", "--from=c", "--from", "d"),
    ]


def test_a_directory_that_cannot_be_written_is_one_line(ebbtide, tmp_path):
    (tmp_path / "file").write_text("")
    done = ebbtide("init", str(tmp_path / "file" / "shop"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_the_article_s_set_up_becomes_a_project_with_its_way_over(ebbtide, tmp_path):
    made = ebbtide("init", str(tmp_path), "--from", str(ROOT / "examples/before"))
    assert made.returncode == 0, made.stderr
    assert ebbtide("check", "--project", str(tmp_path)).returncode == 0
    stack = quick_yaml.load((tmp_path / "stacks/Pulumi.dev.yaml").read_text())
    worker = stack["config"]["ebbtide:consumers"]["orders"]["worker"]
    assert (worker["receivers"], worker["processes"], worker["memoryLimit"]) == (["orders"], 70, "150M")
    text = (tmp_path / "MIGRATION.md").read_text()
    for needed in (
        "D-10",
        "kubectl scale deployment/orders --replicas=0",
        'each "/[s]upervisord " STOP; each "[m]essenger:consume" TERM',
        "--selector=app=orders",
        "delete horizontalpodautoscaler/orders",
        "BASE_IMAGE=registry.example:5000/shop/base:7",
    ):
        assert needed in text


FOLLOWED = {
    "redis://10.20.0.7:6379/githubevents": {"dsn"},
    "amqp://app@broker.internal/%2f": {"dsn", "username", "password"},
    "postgresql://app@10.20.0.7/shop": {"url", "password"},
}


@pytest.mark.parametrize("dsn", FOLLOWED)
def test_a_set_up_whose_broker_is_named_follows_its_queue_within_the_old_bounds(dsn, ebbtide, tmp_path):
    before = str(ROOT / "examples/before")
    made = ebbtide("init", str(tmp_path), "--from", before, "--broker", dsn)
    assert made.returncode == 0, made.stderr
    text = (tmp_path / "stacks/Pulumi.dev.yaml").read_text()
    written = quick_yaml.load(text)["config"]["ebbtide:consumers"]["orders"]
    assert written["autoscaling"] == {"kind": "keda", "minReplicas": 1, "maxReplicas": 5}
    stack = load_stack("dev", tmp_path)
    left = {"N-02"} if "internal" in dsn else set()
    assert {one.rule for one in check_stack(stack) if one.level >= Level.WARNING} == left
    page = (tmp_path / "MIGRATION.md").read_text()
    assert "write `transport`" not in page
    assert "how the workers find the broker" not in page
    literals = " ".join(f"--from-literal={key}=..." for key in sorted(FOLLOWED[dsn]))
    assert f"secret generic orders-broker-v1 {literals}\n" in page, "the Secret that is named is the one that is made"
    assert "orders-broker-v1" in text


def test_who_applies_what_is_rendered_is_told_how_to_get_keda(ebbtide, tmp_path):
    assert ebbtide("init", str(tmp_path), "--broker", "redis://10.20.0.7:6379/mail").returncode == 0
    done = ebbtide("render", "--stack", "dev", "--project", str(tmp_path))
    assert "KEDA is not among these" in done.stderr
    assert "--version 2.20.2 --namespace keda" in done.stderr
    assert "KEDA is not" not in done.stdout
    stack = tmp_path / "stacks/Pulumi.dev.yaml"
    stack.write_text(stack.read_text().replace("keda:\n      version: 2.20.2", "keda: existing"))
    assert ebbtide("render", "--stack", "dev", "--project", str(tmp_path)).stderr == ""


def test_a_broker_of_workers_that_are_not_symfony_s_is_refused_in_one_line(ebbtide, tmp_path):
    (tmp_path / "k.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  selector: {matchLabels: {a: b}}\n"
        "  template:\n    metadata: {labels: {a: b}}\n"
        "    spec: {containers: [{name: w, image: i, command: [celery, worker]}]}\n"
    )
    done = ebbtide("init", str(tmp_path / "p"), "--from", str(tmp_path / "k.yaml"), "--broker", "redis://10.0.0.7/mail")
    assert done.returncode == 1
    assert "names one queue, and no consumer is messenger:consume" in done.stderr
    assert not (tmp_path / "p").exists()


def test_what_the_old_pods_say_of_the_broker_wins_over_the_dsn():
    workers = File(
        "k.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: mail}\nspec:\n  replicas: 4\n"
        "  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n    spec:\n"
        "      containers:\n        - name: w\n          image: i\n          command: [php, bin/console, "
        "messenger:consume, mail]\n          env:\n            - name: MESSENGER_TRANSPORT_DSN\n"
        "              valueFrom: {secretKeyRef: {name: theirs, key: broker}}\n",
    )
    (one,) = carry(connect(read_all((workers,))), read_dsn("redis://10.20.0.7/mail"))
    assert one.settings["secretEnvironment"] == {"MESSENGER_TRANSPORT_DSN": {"secret": "theirs", "key": "broker"}}
    assert one.settings["autoscaling"] == {"kind": "keda", "minReplicas": 0, "maxReplicas": 4}
    (alone,) = carry(connect(read_all((workers,))))
    head = stack_text(Project("shop", "dev", "gkeStandard", "1.34", {"mail": alone.settings}))
    assert "transport: {kind: redis, stream: mail" in head
    assert "mail-broker-v1" not in head, "a second Secret beside theirs"


def test_a_schedule_is_kept_by_one_process_and_follows_no_queue(tmp_path):
    """At zero pods nobody would send it, and of five each would send all of it."""
    consume = "command=php bin/console messenger:consume"
    clock = f"[program:clock]\n{consume} scheduler_default\nnumprocs=5\nprocess_name=%(process_num)d\n"
    conf = f"[supervisord]\nnodaemon=true\n[program:mail]\n{consume} mail\n{clock}"
    units = connect(read_all((File("w.conf", conf),)))
    found = {one.name: one for one in carry(units, read_dsn("redis://10.20.0.7/mail"))}
    kinds = {name: one.settings["autoscaling"]["kind"] for name, one in found.items()}
    assert kinds == {"mail-mail": "keda", "clock-clock": "singleton"}
    assert any("5 processes" in text for text in found["clock-clock"].left)
    consumers = {name: one.settings for name, one in found.items()}
    write_project(Project("shop", "dev", "gkeStandard", "1.34", consumers, keda="install"), tmp_path)
    assert [str(one) for one in check_stack(load_stack("dev", tmp_path)) if one.level is Level.ERROR] == []


def test_a_dsn_that_the_old_pods_have_in_the_open_needs_no_secret(ebbtide, tmp_path):
    dsn = {"name": "MESSENGER_TRANSPORT_DSN", "value": "redis://10.20.0.7:6379/mail"}
    (tmp_path / "k.yaml").write_text(workload(["php", "bin/console", "messenger:consume", "mail"], env=[dsn]))
    named = ("--from", str(tmp_path / "k.yaml"), "--broker", dsn["value"])
    done = ebbtide("init", str(tmp_path / "p"), *named)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "p/stacks/Pulumi.dev.yaml").read_text()
    assert "MESSENGER_TRANSPORT_DSN: redis://10.20.0.7:6379/mail" in text
    assert "-broker-v1" not in text + (tmp_path / "p/MIGRATION.md").read_text()
    assert [str(one) for one in check_stack(load_stack("dev", tmp_path / "p")) if one.level is Level.ERROR] == []


def test_the_open_questions_are_written_in_the_consumer_s_own_times_and_names(ebbtide, tmp_path):
    assert ebbtide("init", str(tmp_path), "--from", str(ROOT / "examples/before")).returncode == 0
    text = (tmp_path / "stacks/Pulumi.dev.yaml").read_text()
    head = "\n".join(line[2:] for line in text.splitlines() if line.startswith("#   "))
    asked = quick_yaml.load(head.replace("            claim", "claim"))
    whole = quick_yaml.load(text)
    consumer = whole["config"]["ebbtide:consumers"]["orders"]
    consumer |= asked | {"autoscaling": {"kind": "keda", "minReplicas": 1, "maxReplicas": 5}}
    whole["config"]["ebbtide:cluster"]["keda"] = "existing"
    (tmp_path / "stacks/Pulumi.dev.yaml").write_text(quick_yaml.dump(whole))
    assert [one.rule for one in check_stack(load_stack("dev", tmp_path)) if one.level >= Level.WARNING] == []
    assert asked["secretEnvironment"]["MESSENGER_TRANSPORT_DSN"]["secret"] in (tmp_path / "MIGRATION.md").read_text()


@pytest.mark.parametrize("dsn", ["", "redis://10.20.0.7/mail"])
def test_workers_that_consume_every_transport_are_carried_over_and_accepted_by_check(dsn, tmp_path):
    conf = "[supervisord]\nnodaemon=true\n[program:mail]\ncommand=php bin/console messenger:consume --all\n"
    (one,) = carry(connect(read_all((File("w.conf", conf),))), read_dsn(dsn) if dsn else None)
    assert one.settings["worker"]["arguments"] == ["--all"]
    assert not any("receivers" in text for text in one.left)
    write_project(Project("shop", "dev", "gkeStandard", "1.34", {"mail": one.settings}), tmp_path)
    findings = check_stack(load_stack("dev", tmp_path))
    assert [str(one) for one in findings if one.level is Level.ERROR] == []


def test_a_set_up_without_a_worker_is_refused_with_the_way_on(ebbtide, tmp_path):
    (tmp_path / "web.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: web}\n")
    done = ebbtide("init", str(tmp_path / "shop"), "--from", str(tmp_path / "web.yaml"))
    assert done.returncode == 1
    assert "ebbtide doctor" in done.stderr
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize("name", SET_UPS)
def test_whatever_is_carried_over_is_accepted_by_check(name, tmp_path):
    consumers = {one.name: one.settings for one in carried(name)}
    if not consumers:
        return  # how many these may be, the next one says
    write_project(Project("shop", "dev", "gkeStandard", "1.34", consumers), tmp_path)
    findings = check_stack(load_stack("dev", tmp_path))
    assert [str(one) for one in findings if one.level is Level.ERROR] == []


def test_most_set_ups_can_be_carried_over():
    assert sum(bool(carried(name)) for name in SET_UPS) >= 40


def test_what_cannot_be_carried_is_named_and_no_secret_is_written(tmp_path):
    text = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: mail, namespace: shop}
spec:
  template:
    spec:
      priorityClassName: high
      volumes: [{name: x, emptyDir: {}}]
      containers:
        - name: mail
          image: registry.example/mail:3
          command: [php, bin/console, "messenger:consume", mail]
          volumeMounts: [{name: x, mountPath: /x}]
          env:
            - {name: APP_ENV, value: prod}
            - {name: API_TOKEN, value: hunter2Qx9ZkLongEnough}
            - {name: DSN, valueFrom: {secretKeyRef: {name: mail, key: dsn}}}
            - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: proxy, image: proxy:1}
"""
    (one,) = carry(connect(read_all([File("mail.yaml", text)])))
    assert one.settings["environment"] == {"APP_ENV": "prod"}
    assert one.settings["secretEnvironment"] == {"DSN": {"secret": "mail", "key": "dsn"}}
    left = "\n".join(one.left)
    for name in ("priorityClassName", "volumes", "volumeMounts", "API_TOKEN", "POD", "container proxy", "Secret mail"):
        assert name in left
    project = Project("shop", "dev", "gkeStandard", "1.34", {one.name: one.settings})
    empty = DoctorDocument(version=1, files=(), seen=(), findings=(), not_judged=())
    assert "hunter2" not in stack_text(project) + migration_text([one], empty, "dev")


def test_a_secret_is_said_to_be_needed_where_the_new_pods_are_and_only_if_it_is_elsewhere():
    def left(namespace):
        env = "env: [{name: DSN, valueFrom: {secretKeyRef: {name: mail-v3, key: dsn}}}]"
        pod = f"{{containers: [{{name: m, image: a, command: [celery, -A, x, worker], {env}}}]}}"
        metadata = f"metadata: {{name: mail{namespace}}}"
        text = f"apiVersion: apps/v1\nkind: Deployment\n{metadata}\nspec: {{template: {{spec: {pod}}}}}\n"
        (one,) = carry(connect(read_all([File("mail.yaml", text)])))
        return [line for line in one.left if line.startswith("Secret ")]

    assert "Secret mail-v3: the new pods look for it in namespace consumers" in left(", namespace: shop")[0]
    assert "namespace: {name: shop, create: false}" in left(", namespace: shop")[0]
    assert "<where it is>" in left("")[0]
    assert left(", namespace: consumers") == []


def test_in_the_same_namespace_the_new_one_has_another_name():
    pod = "{containers: [{name: m, image: a, command: [celery, -A, x, worker]}]}"
    metadata = "metadata: {name: mail, namespace: consumers}"
    text = f"apiVersion: apps/v1\nkind: Deployment\n{metadata}\nspec: {{template: {{spec: {pod}}}}}\n"
    (one,) = carry(connect(read_all([File("mail.yaml", text)])))
    assert one.name != "mail"
