"""Workers that ebbtide has a kind for become that kind, with what their command says; the rest is named."""

from __future__ import annotations

import pytest
from tests import quick_yaml

from ebbtide.doctor.connect import connect
from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.document import DoctorDocument
from ebbtide.doctor.files import File
from ebbtide.doctor.read import read_all
from ebbtide.judgement.findings import Level
from ebbtide.scaffold.answers import Project
from ebbtide.scaffold.broker import read_dsn
from ebbtide.scaffold.carry import carry
from ebbtide.scaffold.files import write_project
from ebbtide.scaffold.migration import migration_text
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.rules.check import check_stack

EMPTY = DoctorDocument(version=1, files=(), seen=(), findings=(), not_judged=())


def carried(command, *further, name="", text="", pod=None, **said):
    container = {"name": "w", "image": "registry.example/app:1", "command": command.split(), **said}
    template = {"spec": {"containers": [container], **(pod or {})}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "jobs", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "jobs"}}, "template": template},
    }
    files = [File(name, text)] if name else []
    (one,) = carry(connect(read_all([File("jobs.yaml", quick_yaml.dump_all([deployment, *further])), *files])))
    return one


def scaled(trigger, metadata, **spec):
    triggers = [{"type": trigger, "metadata": metadata}]
    spec = {"scaleTargetRef": {"name": "jobs"}, "triggers": triggers, **spec}
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "jobs"}, "spec": spec}


WORKERS = {
    "celery -A shop.jobs:app worker -Q mail,sms -c 4 --loglevel=INFO -B": (
        {"kind": "celery", "app": "shop.jobs:app", "queues": ["mail", "sms"], "concurrency": 4}
        | {"arguments": ["--loglevel=INFO"], "processes": 1},
        ["`-B`: sends the whole schedule", "memoryLimit"],
    ),
    "python -m celery --app=shop worker --autoscale=8,2 --pool threads --max-memory-per-child=300000": (
        {"kind": "celery", "app": "shop", "program": ["python", "-m", "celery"], "queues": ["celery"]}
        | {"pool": "threads", "concurrency": 8, "memoryLimit": "293M", "processes": 1},
        ["`--autoscale`"],
    ),
    "bundle exec sidekiq -q critical,5 -q low -c 12 -t 25 -C config/sidekiq.yml": (
        {"kind": "sidekiq", "command": ["bundle", "exec", "sidekiq"], "queues": ["critical", "low"]}
        | {"concurrency": 12, "arguments": ["-C", "config/sidekiq.yml"], "processes": 1},
        ["`-t`: is derived from shutdown.longestMessage", "V-57"],
    ),
    "php artisan queue:work sqs --queue=high,low --tries=5 --timeout=90 --memory=256 --max-time=600 --backoff=3": (
        {"kind": "laravelQueue", "connection": "sqs", "queues": ["high", "low"], "tries": 5, "maxTime": "600s"}
        | {"memoryLimit": "256M", "arguments": ["--backoff=3"], "processes": 1},
        [],
    ),
}


@pytest.mark.parametrize("command", WORKERS)
def test_a_known_worker_becomes_the_kind_that_knows_how_it_stops(command):
    settings, left = WORKERS[command]
    one = carried(command)
    assert one.settings["worker"] == settings
    for line in left:
        assert any(line in said for said in one.left), one.left


@pytest.mark.parametrize(
    "command", ["celery -A shop worker -P gevent -c 100", "celery worker", "rq worker high", "php artisan horizon"]
)
def test_what_no_kind_can_run_stays_the_command_that_it_was(command):
    worker = carried(command).settings["worker"]
    assert (worker["kind"], worker["command"]) == ("command", command.split())


def test_a_node_program_whose_queue_bullmq_made_becomes_that_kind_and_any_other_stays_a_command():
    trigger = {"address": "redis.shop:6379", "listName": "bull:pdf:wait", "listLength": "5"}
    one = carried("node dist/worker.js", scaled("redis", trigger, minReplicaCount=1))
    settings = {"kind": "bullmq", "command": ["node", "dist/worker.js"], "queues": ["pdf"], "processes": 1}
    assert one.settings["worker"] == settings
    assert one.settings["transport"] == {"kind": "bullmqRedis", "queue": ["pdf"], "address": "redis.shop:6379"}
    assert any("closes its Worker on SIGTERM" in line for line in one.left)
    other = carried("node dist/worker.js")
    assert other.settings["worker"]["kind"] == "command"
    assert any("whether node finishes its message on SIGTERM" in line for line in other.left)


def test_symfony_s_options_are_settings_and_what_there_is_no_setting_for_stays_an_option():
    options = "-vv --limit=50 -t 900 --memory-limit=96M --failure-limit=3 --sleep=2 --queues=high --env=prod"
    one = carried(f"php app/console messenger:consume mail sms {options}")
    assert one.settings["worker"] == {
        "kind": "symfonyMessenger",
        "receivers": ["mail", "sms"],
        "console": "app/console",
        "memoryLimit": "96M",
        "messageLimit": 50,
        "failureLimit": 3,
        "timeLimit": "900s",
        "sleep": "2s",
        "arguments": ["-vv", "--queues=high", "--env=prod"],
        "processes": 1,
    }


def test_workers_start_in_the_directory_in_which_they_did():
    conf = "[supervisord]\nnodaemon=true\n[program:mail]\ncommand=php bin/console messenger:consume mail\n"
    text = "FROM registry.example/shop:1\nWORKDIR /srv/shop\nCMD supervisord -c /etc/mail.conf\nCOPY mail.conf /etc/\n"
    for further, directory in (("", "/srv/shop"), ("directory=/srv/other\n", "/srv/other")):
        (one,) = carry(connect(read_all([File("Dockerfile", text), File("mail.conf", conf + further)])))
        assert one.settings["worker"]["workingDirectory"] == directory
    assert any("worker.workingDirectory" in line for line in carried("celery -A shop worker").left)


def test_whole_secrets_are_carried_and_made_where_the_new_pods_are():
    source = [{"secretRef": {"name": "jobs-env"}}, {"configMapRef": {"name": "jobs-map"}, "prefix": "APP_"}]
    one = carried("celery -A shop worker", envFrom=source)
    assert one.settings["pod"] == {
        "environmentFrom": [{"secret": "jobs-env"}, {"configMap": "jobs-map", "prefix": "APP_"}]
    }
    for name in ("Secret jobs-env", "ConfigMap jobs-map"):
        assert any(line.startswith(f"{name}: the new pods look for it in namespace consumers") for line in one.left)
    text = migration_text([one], EMPTY, "dev")
    assert "kubectl create namespace consumers\n       kubectl -n consumers create secret generic jobs-env " in text


@pytest.mark.parametrize(
    ("command", "worker"),
    [
        ("celery -A shop beat -s /tmp/s -l INFO", {"kind": "celeryBeat", "app": "shop", "arguments": ["-l", "INFO"]}),
        ("php artisan schedule:work", {"kind": "command", "command": ["php", "artisan", "schedule:work"]}),
    ],
)
def test_what_keeps_a_schedule_is_there_once_and_the_old_one_ends_before_it_starts(command, worker):
    one = carried(command)
    assert worker.items() <= one.settings["worker"].items()
    assert one.settings["autoscaling"] == {"kind": "singleton"}
    before, _, after = migration_text([one], EMPTY, "dev").partition("Then `pulumi up`")
    scale = "kubectl scale deployment/jobs --namespace=shop --replicas=0"
    assert (scale in before, scale in after) == (True, False)


@pytest.mark.parametrize(
    ("base", "application"),
    [("registry.example/shop/base:7", "registry.example/shop/base:7"), ("python:3.12-slim", "registry.example/app:1")],
)
def test_the_new_image_is_built_on_one_that_has_the_application(base, application):
    one = carried("celery -A shop worker", name="Dockerfile", text=f"FROM {base}\nWORKDIR /srv/shop\nCOPY . .\n")
    assert f"--build-arg BASE_IMAGE={application} " in migration_text([one], EMPTY, "dev")


def test_what_else_supervisord_runs_is_named():
    conf = (
        "[supervisord]\nnodaemon=true\n[program:mail]\ncommand=php artisan queue:work\n[program:web]\ncommand=nginx\n"
    )
    (one,) = carry(connect(read_all([File("supervisord.conf", conf)])))
    assert any(line.startswith("program web of supervisord") for line in one.left)


ENTRYPOINT = """\
#!/bin/sh
set -e
prepare() { echo shop >&2; }
prepare
php bin/console cache:warmup
php bin/console doctrine:migrations:migrate --no-interaction
exec supervisord -c /etc/w.conf
"""
TWO = """\
[supervisord]
nodaemon=true
[program:orders]
command=php bin/console messenger:consume orders
numprocs=4
stopwaitsecs=120
[program:exports]
command=php bin/console messenger:consume exports
"""
MESSENGER = """\
framework:
  messenger:
    transports:
      exports:
        dsn: redis://redis.infra:6379/exports
        options: {redeliver_timeout: 3600}
      orders: '%env(ORDERS_DSN)%'
"""


def of_pod(dsn=None):
    """Two programs of one container, behind an entrypoint, with the application's own files."""
    pod = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}}
    containers = [{"name": "w", "image": "registry.example/shop:1"}]
    template = {"spec": {"terminationGracePeriodSeconds": 60, "containers": containers}}
    pod["spec"] = {"selector": {"matchLabels": {"app": "shop"}}, "template": template}
    image = 'FROM registry.example/shop:1\nCOPY w.conf /etc/\nCOPY entrypoint.sh /\nENTRYPOINT ["/entrypoint.sh"]\n'
    files = {"k.yaml": quick_yaml.dump(pod), "Dockerfile": image, "entrypoint.sh": ENTRYPOINT, "w.conf": TWO}
    files["config/packages/messenger.yaml"] = MESSENGER
    units = connect(read_all([File(name, text) for name, text in files.items()]))
    return {one.name: one for one in carry(units, dsn)}


def test_what_the_entrypoint_did_besides_is_named():
    for one in of_pod().values():
        ran = [line.split(" (")[0] for line in one.left if "which the script ran" in line]
        assert ran == [
            "`php bin/console cache:warmup`",
            "`php bin/console doctrine:migrations:migrate --no-interaction`",
        ]
        assert any("(entrypoint.sh:5), which the script ran" in line for line in one.left)


def test_each_consumer_of_a_container_is_told_of_its_own_worker():
    two = of_pod()
    rows = {
        name: [line for line in migration_text([one], EMPTY, "dev").splitlines() if line.startswith("| ")]
        for name, one in two.items()
    }
    for name, copies in (("shop-orders", 4), ("shop-exports", 1)):
        receiver = name.removeprefix("shop-")
        command = f"messenger:consume {receiver}"
        assert f"| worker | php bin/console {command} | {command} |" in rows[name]
        assert f"| processes in a pod | {copies} | {copies} |" in rows[name]


def test_the_time_that_supervisord_was_told_to_wait_is_what_a_message_may_take():
    two = of_pod()
    times = {name: one.settings["shutdown"]["longestMessage"] for name, one in two.items()}
    assert times == {"shop-orders": "120s", "shop-exports": "30s"}
    said = "`longestMessage` is 120s because supervisord waits 120 s for its program, which the pod cut off after 60 s"
    assert any(said in line for line in two["shop-orders"].left)


def test_what_the_application_says_of_its_broker_is_named_by_its_place():
    lines = {name: "\n".join(one.left) for name, one in of_pod().items()}
    file = "config/packages/messenger.yaml"
    assert f"how the workers find the broker: {file}:4 has that of exports, as its DSN" in lines["shop-exports"]
    assert f"where the broker is ({file}:4 has that of exports" in lines["shop-exports"]
    assert f"{file}:7 has that of orders, in the variable ORDERS_DSN" in lines["shop-orders"]
    config = 'broker_url = "redis://:hunter2Qx9Zk@redis.infra:6379/0"\ntask_acks_late = True\n'
    celery = "\n".join(carried("celery -A shop worker", name="celeryconfig.py", text=config).left)
    assert "how the workers find the broker: celeryconfig.py:1 has it as `broker_url`" in celery
    assert "hunter2Qx9Zk" not in celery


def test_the_application_is_to_say_the_time_that_the_transport_does():
    config = of_pod(read_dsn("redis://10.20.0.7:6379/shop"))
    for name, now in (
        ("exports", "messenger.yaml:6 says 3600"),
        ("orders", "where nothing that was read says it and 3600 holds"),
    ):
        one = config[f"shop-{name}"]
        seconds = {"exports": 60, "orders": 150}[name]
        (line,) = (line for line in one.left if line.startswith("`transport.redeliverTimeout`"))
        assert f"`redeliver_timeout: {seconds}`" in line
        assert now in line


def test_a_quota_counts_the_new_pods_where_they_share_its_namespace():
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "shop"}, "spec": {"hard": {"pods": "9"}}}
    text = migration_text([carried(CELERY, quota)], EMPTY, "dev")
    (line,) = (line for line in text.splitlines() if line.startswith("- ResourceQuota"))
    assert "create: false" in line
    assert "do not use it" not in line


def test_what_an_image_is_pulled_with_is_made_where_the_new_pods_are():
    text = migration_text(
        [carried("celery -A shop worker", pod={"imagePullSecrets": [{"name": "regcred"}]})], EMPTY, "dev"
    )
    assert "kubectl -n consumers create secret docker-registry regcred " in text


PACKAGE = '{"scripts": {"worker": "node dist/worker.js", "both": "tsc && node dist/worker.js"}}'


@pytest.mark.parametrize("command", ["npm run worker", "yarn worker", "npm run both", "npm run other"])
def test_what_npm_runs_is_carried_as_the_plain_command_that_package_json_has(command):
    compose = f"services:\n  worker:\n    image: app:1\n    command: {command}\n"
    files = [File("compose.yaml", compose), File("package.json", PACKAGE)]
    found = [one.settings["worker"]["command"] for one in carry(connect(read_all(files)))]
    assert found == ([["node", "dist/worker.js"]] if command.endswith("worker") else [])


@pytest.mark.parametrize(
    "name", ["REMAP_SIGTERM", "MESSENGER_CONSUMER_NAME", "HOSTNAME", "EBBTIDE_START_SECONDS", "shop.level"]
)
@pytest.mark.parametrize(
    "origin", [{"value": "SIGQUIT"}, {"valueFrom": {"secretKeyRef": {"name": "shop", "key": "name"}}}]
)
def test_a_variable_that_a_stack_may_not_have_is_named(name, origin):
    one = carried("celery -A shop worker", env=[{"name": name, **origin}])
    assert not {"environment", "secretEnvironment"} & one.settings.keys()
    assert any(line.startswith(f"variable {name}: it ") for line in one.left)


def test_of_a_compose_service_the_variables_are_carried_that_mean_the_same_in_a_cluster():
    variables = "{THREADS: '8', REDIS_URL: redis://redis:6379, API_TOKEN: hunter2Qx9Zk, HOST: $HOST}"
    text = f"services:\n  worker:\n    command: celery -A shop worker\n    image: app:1\n    environment: {variables}\n"
    (one,) = carry(connect(read_all([File("compose.yaml", text)])))
    assert one.settings["environment"] == {"THREADS": "8"}
    assert [line for line in one.left if line.startswith("variable ")] == [
        f"variable {name} of service worker" for name in ("REDIS_URL", "API_TOKEN", "HOST")
    ]


def test_a_secret_of_a_command_is_neither_in_the_stack_file_nor_in_the_way():
    hook = {"preStop": {"exec": {"command": ["curl", "-H", "Authorization: Bearer hunter2Qx9Zk", "https://h/stop"]}}}
    one = carried("rq worker mail --url redis://:hunter2Qx9Zk@redis:6379 --password hunter2Qx9Zk", lifecycle=hook)
    text = quick_yaml.dump(one.settings) + migration_text([one], EMPTY, "dev")
    assert "hunter2Qx9Zk" not in text
    assert any("a secret in the worker's command" in line for line in one.left)


@pytest.mark.parametrize("option", ["--api-token hunter2Qx9Zk", "--api-token=hunter2Qx9Zk"])
def test_a_secret_of_an_option_is_no_receiver(option):
    worker = carried(f"php bin/console messenger:consume mail {option}").settings["worker"]
    assert worker["receivers"] == ["mail"]
    assert worker["arguments"] == ["--api-token=[secret]"]


def test_sidekiq_s_own_file_says_what_no_option_does():
    settings = ":concurrency: 12\n:queues:\n  - [critical, 5]\n  - mail\n"
    worker = carried("bundle exec sidekiq", name="config/sidekiq.yml", text=settings).settings["worker"]
    assert (worker["queues"], worker["concurrency"]) == (["critical", "mail"], 12)


CELERY = "celery -A shop worker -Q mail -c 2 --time-limit=5400"
SCALED = {
    "rabbitmq": (
        CELERY,
        scaled("rabbitmq", {"queueName": "mail", "mode": "QueueLength", "value": "5"}, maxReplicaCount=9),
        {"kind": "rabbitmq", "queue": ["mail"], "consumerTimeout": "3600s"},
        "`minReplicas: 0`, `maxReplicas: 9`",
    ),
    "celery's list": (
        CELERY,
        scaled("redis", {"listName": "mail", "address": "redis.shop:6379", "databaseIndex": "2"}, minReplicaCount=1),
        {"kind": "celeryRedis", "queue": ["mail"], "address": "redis.shop:6379", "database": 2}
        | {"visibilityTimeout": "3780s"},
        "`minReplicas: 1`, `maxReplicas: 100`",
    ),
    "sidekiq's list": (
        "bundle exec sidekiq -q mail -c 2",
        scaled("redis", {"listName": "queue:mail", "addressFromEnv": "REDIS"}, maxReplicaCount=3),
        {"kind": "sidekiqRedis", "queue": ["mail"]},
        "`minReplicas: 0`, `maxReplicas: 3`",
    ),
    "a stream": (
        "php bin/console messenger:consume mail",
        scaled("redis-streams", {"stream": "mail", "address": "redis:6379", "streamLength": "5"}, maxReplicaCount=3),
        {"kind": "redis", "stream": ["mail"], "address": "redis:6379"},
        "maxReplicas: 3",
    ),
    "cpu": (CELERY, scaled("cpu", {"value": "60"}, maxReplicaCount=3), None, "its metric is not taken over"),
}


@pytest.mark.parametrize("name", SCALED)
def test_who_scales_with_keda_is_told_what_of_it_is_carried_and_the_project_passes(name, tmp_path):
    command, scaler, transport, said = SCALED[name]
    one = carried(command, scaler)
    assert one.settings.get("transport") == transport
    assert any(said in line for line in one.left), one.left
    write_project(Project("shop", "dev", "gkeStandard", "1.34", {one.name: one.settings}), tmp_path)
    errors = [str(found) for found in check_stack(load_stack("dev", tmp_path)) if found.level is Level.ERROR]
    assert [error for error in errors if "V-57" not in error] == []


def test_each_command_of_the_way_over_says_its_namespace_and_the_image_s_kind():
    autoscaler = scaled("rabbitmq", {"queueName": "mail"})
    text = migration_text([carried(CELERY, autoscaler)], EMPTY, "dev", "consumer-image")
    for needed in (
        "--build-arg EBBTIDE_WORKER_KIND=celery",
        "consumer-image/",
        "kubectl delete scaledobject/jobs --namespace=shop",
        "kubectl scale deployment/jobs --namespace=shop --replicas=0",
        "kubectl delete deployment/jobs --namespace=shop",
    ):
        assert needed in text


def test_whatever_was_handed_over_and_is_not_carried_is_named():
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "jobs-pdb"}, "spec": {}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "jobs-env"}, "data": {}}
    text = migration_text([carried(CELERY, budget, config)], EMPTY, "dev")
    assert "PodDisruptionBudget jobs-pdb" in text
    assert "ConfigMap jobs-env" in text


def way_over(command):
    one = carried(command)
    report = DoctorDocument.of(diagnose_files([File("jobs.yaml", OLD.format(command=command.split()))]))
    return migration_text([one], report, "dev")


OLD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: jobs, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: jobs}}}}
  template:
    spec:
      terminationGracePeriodSeconds: 60
      containers:
        - {{name: w, image: "registry.example/app:1", command: {command}}}
"""


def test_old_pods_are_called_harmless_only_where_doctor_has_judged_everything():
    assert "nothing that loses" in way_over("bundle exec sidekiq -t 25 -q mail")
    assert "nothing that loses" not in way_over("rq worker mail")
    assert "Wait until no message" in way_over("rq worker mail")


def test_a_compose_service_is_stopped_by_compose():
    text = "services:\n  jobs:\n    image: registry.example/app:1\n    command: [rq, worker, mail]\n"
    (one,) = carry(connect(read_all([File("compose.yaml", text)])))
    way = migration_text([one], EMPTY, "dev")
    assert "docker compose stop --timeout 3600 jobs" in way
    assert "service/jobs" not in way


ACCOUNT = "jobs-worker@acme-shop-prod.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("annotations", "said"),
    [({"iam.gke.io/gcp-service-account": ACCOUNT}, f"write {ACCOUNT} to"), ({}, "is not known here")],
)
def test_what_the_old_pods_may_do_on_google_is_named(annotations, said):
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "jobs", "annotations": annotations}}
    text = quick_yaml.dump(account) + "---\n" + OLD.format(command=["rq", "worker", "mail"])
    files = [File("jobs.yaml", text.replace("      containers:", "      serviceAccountName: jobs\n      containers:"))]
    (one,) = carry(connect(read_all(files)))
    assert any(said in line for line in one.left)


@pytest.mark.parametrize("prefix", ["", "SHOP_"])
@pytest.mark.parametrize("name", ["shop", "mail PASSWORD=hunter2Qx9Zk"])
def test_what_no_object_can_be_called_is_named_and_not_written_down(name, prefix):
    source = {"prefix": prefix, "configMapRef": {"name": name}}
    key = {"secretKeyRef": {"name": name, "key": "dsn"}}
    one = carried(
        "celery -A shop worker",
        env=[{"name": "DSN", "valueFrom": key}],
        envFrom=[source, {**source, "prefix": "hunter2Qx9Zk "}],
        pod={"imagePullSecrets": [{"name": name}]},
    )
    is_name = name == "shop"
    whole = {"environmentFrom": [{"configMap": name, **({"prefix": prefix} if prefix else {})}]}
    assert one.settings.get("pod") == ({"imagePullSecrets": [name], **whole} if is_name else None)
    assert ("secretEnvironment" in one.settings) == is_name
    assert any("envFrom" in line for line in one.left)
    assert "hunter2Qx9Zk" not in str((one.settings, one.left))
