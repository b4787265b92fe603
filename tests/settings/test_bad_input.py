"""A wrong setting is one line: the file, the path, what is wrong with what was got, and what to write instead."""

from __future__ import annotations

import math

import pytest
from tests.settings.conftest import CONSUMER

from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.loading.loader import load_from_engine, read_values

HPA = {"kind": "hpa", "maxReplicas": 5, "metrics": [{"kind": "cpu", "targetUtilization": 60}], "replicas": None}
EXTERNAL = {"kind": "external", "metric": "backlog", "targetAverageValue": 70}

# id, the change to a good consumer, and what the message must hold: where, what, remedy.
CONSUMER_CASES = [
    ("unknown key", {"imgae": "a:1"}, ["consumers.githubevents.imgae", "is not a setting", "did you mean image?"]),
    ("unknown key inside", {"worker": {"proceses": 3}}, ["worker.proceses", "did you mean processes?"]),
    ("unknown key without a likely one", {"shutdown": {"xyz": 1}}, ["shutdown.xyz", "use one of longestMessage"]),
    ("Python's spelling", {"shutdown": {"longest_message": "60s"}}, ["longest_message", "did you mean longestMessage"]),
    ("Kubernetes' grace period", {"terminationGracePeriodSeconds": 240}, ["write shutdown: {longestMessage: 200s}"]),
    ("Kubernetes' replicas", {"replicas": 3}, ["write it as autoscaling.replicas"]),
    (
        "Kubernetes' replicas beside an HPA",
        {"replicas": 3, "autoscaling": HPA},
        ["consumers.githubevents.replicas", "write autoscaling: {kind: fixed, replicas: 3}"],
    ),
    ("Kubernetes' env", {"env": [{"name": "A", "value": "b"}]}, ["write environment:", "{secret: mail-v1, key: name}"]),
    (
        "Kubernetes' limits",
        {"resources": {"limits": {"cpu": "1"}}},
        ["resources.limits", "write resources: {memory: {limit: 1Gi}}"],
    ),
    ("Kubernetes' probe", {"livenessProbe": {}}, ["livenessProbe", "leave it out: the image has its own"]),
    ("a setting of the worker", {"processes": 3}, ["consumers.githubevents.processes", "write it as worker.processes"]),
    ("a setting of the pod", {"worker": {"volumes": []}}, ["worker.volumes", "write it as pod.volumes"]),
    ("a setting of the consumer", {"worker": {"image": "a:1"}}, ["worker.image", "write it as image"]),
    (
        "an HPA that measures nothing",
        {"autoscaling": {"kind": "hpa", "maxReplicas": 5, "replicas": None}},
        ["kind: cpu"],
    ),
    ("a secret's value", {"secretEnvironment": {"A": "b"}}, ["secretEnvironment.A", "{secret: mail-broker-v1, key: "]),
    ("number as text", {"worker": {"processes": "seventy"}}, ["worker.processes", "a whole number (got 'seventy')"]),
    ("number in quotes", {"worker": {"processes": "70"}}, ["worker.processes", "without quotes or signs: 70"]),
    ("per cent", {"autoscaling": {**HPA, "metrics": [{"kind": "cpu", "targetUtilization": "60%"}]}}, ["signs: 60"]),
    ("boolean as number", {"worker": {"processes": True}}, ["worker.processes"]),
    ("list for a mapping", {"shutdown": ["60s"]}, ["shutdown: must be a mapping (got a list)", "longestMessage"]),
    ("text for a mapping", {"environment": "A=1"}, ["environment: must be a mapping", "`key: value`"]),
    ("a kind's name for its settings", {"transport": "redis"}, ["transport: must be a mapping", "{kind: redis}"]),
    ("a kind's name where others are shown", {"autoscaling": "keda"}, ["got 'keda'", "write {kind: keda}, or"]),
    ("text for a consumer's part", {"worker": "php"}, ["worker: must be a mapping", "kind: symfonyMessenger"]),
    ("a value of no list", {"placement": {"spread": {"zones": True}}}, ["write one of prefer, require, off"]),
    (
        "a window over an hour",
        {"autoscaling": {**HPA, "metrics": [EXTERNAL], "behavior": {"scaleDown": {"stabilizationWindow": "2h"}}}},
        ["stabilizationWindow", "at most 1h (got '2h')"],
    ),
    ("no process", {"worker": {"processes": 0}}, ["worker.processes", "at least 1", "got 0"]),
    ("ten thousand processes", {"worker": {"processes": 10000}}, ["worker.processes", "at most 400"]),
    ("list as text", {"worker": {"receivers": "githubevents"}}, ["worker.receivers", "write a list: [githubevents]"]),
    ("no receiver", {"worker": {"receivers": []}}, ["worker.receivers: has 0 entries", "at least 1"]),
    ("a receiver without a name", {"worker": {"receivers": [""]}}, ["worker.receivers[0]: names no receiver (got '')"]),
    (
        "an option for a receiver",
        {"worker": {"receivers": ["a", "--limit=1"]}},
        ["worker.receivers[1]", "(got --limit)"],
    ),
    ("unknown kind of worker", {"worker": {"kind": "gearman"}}, ["worker.kind", "'gearman'", "symfonyMessenger"]),
    (
        "CPU finer than 1m",
        {"resources": {"cpu": {"request": "0.490m"}}},
        ["cpu.request", "finer than 1m", "write 490m"],
    ),
    ("CPU that is none", {"resources": {"cpu": {"request": "half"}}}, ["cpu.request", "got 'half'", "490m"]),
    ("memory in milli-bytes", {"resources": {"memory": {"request": "128m"}}}, ["memory.request", "512Mi"]),
    ("request over limit", {"resources": {"cpu": {"request": "2", "limit": "1"}}}, ["cpu.request", "above the limit"]),
    ("duration without a unit", {"shutdown": {"longestMessage": 200}}, ["longestMessage", "got 200", "200s"]),
    ("PHP memory in Mi", {"worker": {"memoryLimit": "150Mi"}}, ["worker.memoryLimit", "150M"]),
    ("grace over the cap", {"shutdown": {"longestMessage": "1h"}}, ["githubevents", "10m"]),
    (
        "Spot with long messages",
        {"shutdown": {"longestMessage": "200s"}, "placement": {"spot": True}},
        ["githubevents", "Spot"],
    ),
    (
        "min over max",
        {"autoscaling": {**HPA, "minReplicas": 9}, "resources": {"cpu": {"request": "1"}}},
        ["minReplicas", "got 9 and 5"],
    ),
    ("utilisation without a request", {"autoscaling": HPA}, ["metrics[0].targetUtilization", "cpu request", "490m"]),
    (
        "a CPU target that idle workers exceed",
        {"autoscaling": HPA, "resources": {"cpu": {"request": "10m"}}},
        ["metrics[0]", "always runs maxReplicas"],
    ),
    (
        "a CPU target that no pod can reach",
        {"autoscaling": HPA, "resources": {"cpu": {"request": "2"}}, "worker": {"processes": 1}},
        ["metrics[0]", "never scales up"],
    ),
    (
        "zero pods on CPU",
        {"autoscaling": {**HPA, "minReplicas": 0}, "resources": {"cpu": {"request": "1"}}},
        ["minReplicas", "external"],
    ),
    (
        "two targets",
        {"autoscaling": {**HPA, "metrics": [{**EXTERNAL, "targetValue": 3}]}},
        ["metrics[0]", "exactly one of"],
    ),
    (
        "a policy period over half an hour",
        {
            "autoscaling": {
                **HPA,
                "metrics": [EXTERNAL],
                "behavior": {"scaleUp": {"policies": [{"kind": "pods", "value": 1, "period": "1h"}]}},
            }
        },
        ["policies[0].period", "got 1h", "write at most 30m"],
    ),
    (
        "fixed with a maximum",
        {"autoscaling": {"kind": "fixed", "replicas": 1, "maxReplicas": 3}},
        ["maxReplicas", "is not a setting"],
    ),
    ("no node can be drained", {"disruptionBudget": {"minAvailable": 2}}, ["minAvailable", "maxUnavailable: 1"]),
    ("budget of zero", {"disruptionBudget": {"maxUnavailable": 0}}, ["maxUnavailable", "write 1"]),
    ("no version", {"image": "registry.example/app"}, ["image", "names no version"]),
    ("latest", {"image": "registry.example/app:latest"}, ["image", "names no version"]),
    ("number in the environment", {"environment": {"PORT": 8080}}, ["environment.PORT", "must be text"]),
    ("variable of ours", {"environment": {"EBBTIDE_PROCESSES": "3"}}, ["EBBTIDE_PROCESSES", "is set by ebbtide"]),
    (
        "variable with two sources",
        {"environment": {"A": "1"}, "secretEnvironment": {"A": {"secret": "s", "key": "k"}}},
        ["environment.A"],
    ),
    ("option that a setting owns", {"worker": {"arguments": ["-m", "100"]}}, ["arguments[0]", "memoryLimit"]),
    (
        "redelivered while handled",
        {"transport": {"kind": "redis", "redeliverTimeout": "30s"}},
        ["transport.redeliverTimeout", "handled twice", "70s"],
    ),
    (
        "RabbitMQ closes the channel of a message in flight",
        {"shutdown": {"longestMessage": "9m"}, "transport": {"kind": "rabbitmq", "consumerTimeout": "5m"}},
        ["transport.consumerTimeout: 5m is shorter", "550s"],
    ),
    (
        "Doctrine gives away a message in flight",
        {"transport": {"kind": "doctrine", "redeliverTimeout": "1m"}},
        ["transport.redeliverTimeout: 1m is shorter", "70s"],
    ),
    (
        "nobody tells a worker to stop for an hour",
        {"worker": {"drain": "stopFile"}},
        ["grace period of 1h1m30s", "write drain: signal, or lower worker.timeLimit"],
    ),
    ("SQS default visibility", {"transport": {"kind": "sqs"}}, ["transport.visibilityTimeout", "handled twice"]),
    ("egress to nowhere", {"network": {"egress": [{"ports": [6379]}]}}, ["egress[0]", "no destination"]),
    (
        "egress to no network",
        {"network": {"egress": [{"cidr": "10.0.0.1/8", "ports": [1]}]}},
        ["egress[0].cidr", "10.20.0.0/24"],
    ),
    ("volume on /tmp", {"writableDirectories": ["/tmp"]}, ["writableDirectories[0]", "mounted already"]),
    ("label of ours", {"labels": {"app.kubernetes.io/name": "x"}}, ["labels", "selectors depend on it"]),
    (
        "PHP limit below messenger's",
        {"worker": {"memoryLimit": "150M", "phpMemoryLimit": "128M"}},
        ["phpMemoryLimit", "150M"],
    ),
]


@pytest.mark.parametrize(
    ("change", "parts"), [case[1:] for case in CONSUMER_CASES], ids=[case[0] for case in CONSUMER_CASES]
)
def test_a_wrong_setting_is_one_line_with_path_reason_and_remedy(refuse, change, parts):
    message = refuse(change)
    assert "\n" not in message
    assert message.startswith("stacks/Pulumi.dev.yaml: "), "the user must learn which file to open"
    for part in parts:
        assert part in message, f"{part!r} is missing from: {message}"


NAME_CASES = [
    ("GithubEvents", "lowercase"),
    ("g" * 48, "has 48 characters"),
    ("default", "belongs to an object that every namespace holds"),
]


@pytest.mark.parametrize(("name", "part"), NAME_CASES)
def test_a_name_that_kubernetes_would_cut_or_refuse_is_refused_here(refuse, name, part):
    assert part in refuse({}, name=name)


def test_a_worker_that_nobody_tells_to_stop_needs_a_limit(project):
    worker = {"kind": "command", "command": ["work"], "drain": "stopFile"}
    consumer = {"image": "a/b:1", "worker": worker, "autoscaling": {"kind": "fixed", "replicas": 1}}
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": {"a": consumer}})
    assert "a.worker.drain: stopFile lets a worker run until its next limit" in project.messages()[0]


SHELL_CASES = [
    (["sh", "-c", "php worker.php"], "does not pass the stop signal on"),
    (["/bin/bash", "-c", "cd /app; php worker.php"], "does not pass the stop signal on"),
    (["php", "bin/console", "messenger:stop-workers"], "stops every worker that shares the cache"),
]


@pytest.mark.parametrize(("command", "part"), SHELL_CASES)
def test_a_command_that_would_lose_messages_is_refused(project, command, part):
    consumer = {
        "image": "a/b:1",
        "worker": {"kind": "command", "command": command},
        "autoscaling": {"kind": "fixed", "replicas": 1},
    }
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": {"a": consumer}})
    assert part in "\n".join(project.messages())


def test_a_shell_that_ends_in_exec_is_accepted(project):
    worker = {"kind": "command", "command": ["sh", "-c", "umask 077; exec php worker.php"]}
    consumer = {"image": "a/b:1", "worker": worker, "autoscaling": {"kind": "fixed", "replicas": 1}}
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": {"a": consumer}})
    assert project.read().settings.consumers["a"].worker.argv[0] == "sh"


def test_a_kind_that_is_also_a_setting_is_not_taken_for_a_part_of_the_path(project):
    worker = {"kind": "command", "command": "php worker.php", "stopSignal": "SIGTERM"}
    consumer = {"image": "a/b:1", "worker": worker, "autoscaling": {"kind": "fixed", "replicas": 1}}
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": {"a": consumer}})
    command, signal = sorted(project.messages())
    assert "consumers.a.worker.command: must be a list" in command
    assert "write a list: [php, worker.php]" in command
    assert "consumers.a.worker.stopSignal: is none of the possible values (got 'SIGTERM')" in signal


def test_all_errors_of_a_file_are_reported_at_once(project):
    bad = {"image": "app", "worker": {"kind": "symfonyMessenger"}, "autoscaling": {"kind": "fixed", "replicas": -1}}
    config = {
        "ebbtide:cluster": {"kind": "mainframe"},
        "ebbtide:consumers": {"one": bad, "two": bad},
        "ebbtide:conusmers": {},
    }
    project.write_stack("dev", config)
    messages = project.messages()
    # Unknown key, cluster, and three errors for each of the two consumers.
    assert len(messages) == 8, messages
    assert any("did you mean ebbtide:consumers?" in message for message in messages)


def test_a_blank_below_consumers_does_not_remove_them_all(project):
    project.write_defaults({"cluster": {"kind": "existing"}, "consumers": {"mail": CONSUMER}})
    project.write_text("dev", "config:\n  ebbtide:consumers:\n  ebbtide:imageRepository: {}\n")
    assert "consumers: is empty, and that would remove every consumer" in project.messages()[0]


def test_a_consumer_without_a_word_is_not_passed_over(project):
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "gkeStandard"}, "ebbtide:consumers": {"mail": None}})
    assert "consumers.mail: is empty, and the shared defaults have no consumer of this name" in project.messages()[0]


def test_a_text_of_several_lines_stays_one_message(refuse):
    message = refuse({"worker": {"receivers": "mail\nevents"}})
    assert "\n" not in message
    assert "write a list: [...]" in message


def test_what_yaml_can_hold_and_settings_cannot_is_named_in_words(project):
    project.write_text("dev", "config: {ebbtide:cluster: {kind: existing, context: !!binary gA==}}\n")
    assert "cluster.context: must be text (got a binary value); write text" in project.messages()[0]


GOOGLE_CASES = [
    ({"gcp:project": "Acme", "gcp:region": "europe-west1"}, "gcp:project: is not of the right form (got 'Acme')"),
    ({"gcp:project": "acme-dev"}, "gcp:region: is required and not given; write for example europe-west1"),
]


@pytest.mark.parametrize(("google", "part"), GOOGLE_CASES)
def test_a_wrong_place_in_google_cloud_is_named_by_its_key_in_the_file(project, google, part):
    project.write_stack("dev", {**google, "ebbtide:cluster": {"kind": "gkeStandard"}})
    assert part in project.messages()[0]


def test_a_time_without_quotes_is_refused_with_the_quotes(project):
    written = "exclusions: [{name: sale, start: 2026-11-26T00:00:00Z, end: 2026-11-28}]"
    project.write_text("dev", f"config: {{ebbtide:cluster: {{kind: gkeStandard, maintenance: {{{written}}}}}}}\n")
    for message in project.messages():
        assert 'write for example "2026-11-26T00:00:00Z"' in message


SECRET = "hunter2hunter2"
SECRET_CASES = [
    {"environment": {"DATABASE_PASSWORD": SECRET}},
    {"environment": {"DSN": f"redis://user:{SECRET}@redis:6379/messages"}},
    {"environment": {"KEY": f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}"}},
    {"environment": {"NESTED": {"password": SECRET}}},
    {"secretEnvironment": {"DATABASE_PASSWORD": SECRET}},
    {"worker": {"arguments": [f"--password={SECRET}"]}},
]


@pytest.mark.parametrize("change", SECRET_CASES, ids=str)
def test_a_secret_in_plain_text_is_refused_and_never_printed(refuse, change):
    message = refuse(change)
    assert SECRET not in message, "the message would carry the secret into a CI log"


PASTED = f"S3cret!{SECRET}"
NAME_CASES = [
    {"secretEnvironment": {"DSN": {"secret": PASTED, "key": "dsn"}}},
    {"secretEnvironment": {"DSN": {"secret": "broker", "key": PASTED}}},
    {"secretEnvironment": {PASTED: {"secret": "broker", "key": "dsn"}}},
    {"secretEnvironment": {f"redis://:{SECRET}@redis": {"secret": "broker", "key": "dsn"}}},
    {"environment": {PASTED: "1"}},
    {"labels": {PASTED: "1"}},
    {"labels": {"team": PASTED}},
    {"image": f"https://user:{SECRET}@registry.example/a"},
    {"worker": {"workingDirectory": f"redis://:{SECRET}@redis"}},
    {"network": {"egress": [{"cidr": f"redis://:{SECRET}@redis", "ports": [1]}]}},
    {"autoscaling": {"kind": f"redis://:{SECRET}@redis"}},
    {f"redis://:{SECRET}@redis": 1},
    {"annotations": {f"acme.com/x y {PASTED}": "1"}},
]


@pytest.mark.parametrize("change", NAME_CASES, ids=str)
def test_a_secret_that_was_pasted_as_a_name_is_not_repeated_by_the_refusal(refuse, change):
    message = refuse(change)
    assert SECRET not in message
    assert SECRET not in message.lower()


def test_a_name_that_is_only_misspelled_is_still_shown(refuse):
    assert "my-variable" in refuse({"environment": {"my-variable": "1"}})
    assert "Team A" in refuse({"labels": {"team": "Team A"}})


@pytest.mark.parametrize("value", ["/run/secrets/token", "%env(file:TOKEN_FILE)%", ""])
def test_a_reference_to_a_secret_is_no_secret(project, value):
    consumer = {
        "image": "a/b:1",
        "worker": {"kind": "symfonyMessenger", "receivers": ["a"]},
        "autoscaling": {"kind": "fixed", "replicas": 1},
        "environment": {"API_TOKEN": value},
    }
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": {"a": consumer}})
    assert project.read().settings.consumers["a"].environment["API_TOKEN"] == value


# Nine levels of ten: a billion values in a few lines.
BOMB = "config:\n  a0: &a0 [x]\n" + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))

FILE_CASES = [
    ("tabs", "config:\n\tebbtide:cluster: {}\n", "line 2, column 1: a tab indents this line"),
    ("broken", "config: [", "is not YAML"),
    ("not UTF-8", b"config: \xff\xfe\n", "is not UTF-8 (byte 0xff at position 8)"),
    ("empty", "", "is empty"),
    ("only a comment", "# nothing\n", "is empty"),
    ("a list", "- 1\n", "must hold a mapping"),
    ("config is a list", "config: [1]\n", "must hold a mapping"),
    ("a template's braces", "config:\n  ebbtide:namespace: {{ .Values.name }}\n", "begins with a brace or a bracket"),
    ("a list for a key", "config:\n  ? [a, b]\n  : 1\n", "a mapping or a list is no key"),
    ("a key twice", "config:\n  ebbtide:consumers:\n    a: {}\n    a: {}\n", "'a' stands here a second time"),
    (
        "infinity",
        "config:\n  a: {b: -.inf}\n",
        "line 2, column 10: is not YAML: -.inf is no number",
    ),
    ("not a number", "config:\n  a: .nan\n", "line 2, column 6: is not YAML: .nan is no number"),
    ("secure", "config:\n  ebbtide:consumers: {a: {environment: {A: {secure: AAAB}}}}\n", "settings hold no secrets"),
    ("environments of the service", "environment: {values: {a: b}}\nconfig: {}\n", "Pulumi's service only"),
    ("an anchor inside itself", "config: &a {x: *a}\n", "line 1, column 9: is not YAML: this anchor contains itself"),
    ("aliases of aliases", BOMB, "aliases make more than 1,000,000 values of this"),
    ("defaults in a stack", "config:\n  ebbtide:defaults: {}\n", "would replace the shared defaults"),
]


@pytest.mark.parametrize(("text", "part"), [case[1:] for case in FILE_CASES], ids=[case[0] for case in FILE_CASES])
def test_a_file_that_cannot_be_used_says_where_and_why(project, text, part):
    project.write_text("dev", text)
    messages = project.messages()
    assert len(messages) == 1, messages
    assert part in messages[0]
    assert messages[0].startswith("stacks/Pulumi.dev.yaml: ")


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_program_that_passes_no_finite_number_is_told_the_place(value):
    consumer = {**CONSUMER, "network": {"egress": [{"cidr": "10.20.0.0/16", "ports": [6379, value]}]}}
    config = {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": {"a": consumer}}
    with pytest.raises(SettingsError) as refused:
        load_from_engine("dev", config)
    (finding,) = refused.value.findings
    assert str(finding) == (
        f"consumers.a.network.egress[0].ports[1]: must be a whole number (got {value}); write for example 3"
    )


@pytest.mark.parametrize(
    "written", ["9" * 5000, f"-{'9' * 400}", f"0x{'f' * 17}", f"0{'7' * 5000}", "0x_", "1e_", "0b__"]
)
def test_what_is_no_number_to_the_engine_is_text_and_no_traceback(project, written):
    """Go's reader: what looks like a number and is none, or too large for one, stays what was written."""
    consumers = f"ebbtide:consumers: {{a: {{image: r.example/a:1, environment: {{A: {written}}}, userId: {written}}}}}"
    project.write_text("dev", f"config:\n  ebbtide:cluster: {{kind: existing}}\n  {consumers}\n")
    messages = project.messages()
    assert any("consumers.a.userId: must be a whole number (got '" in message for message in messages)
    assert not any("environment" in message for message in messages), "a text in a variable is what it is for"


def test_a_missing_stack_names_the_ones_that_exist(project):
    project.write_stack("production", {})
    for mistake in ("prodution", "Production", "Pulumi.production.yaml", "stacks/Pulumi.production.yaml"):
        assert "did you mean production?" in project.messages(mistake)[0]
    assert "use one of production" in project.messages("x")[0]


def test_an_image_from_the_environment_for_an_unknown_consumer_is_refused(project, monkeypatch):
    project.write_stack("dev", {"ebbtide:consumers": {}})
    monkeypatch.setenv("EBBTIDE_IMAGES", "other=a/b:1")
    assert "names no consumer of this stack" in project.messages()[0]


def test_half_of_a_character_is_no_kind_and_is_named():
    """As `"\\ud800"` of YAML: no text that can be written out."""
    with pytest.raises(SettingsError) as caught:
        read_values({"name": "dev", "cluster": {"kind": "\ud800"}})
    (finding,) = caught.value.findings
    assert finding.path == ("cluster", "kind")
    assert "\\ud800" in str(finding)
