"""What others do to pods, what a patch brings, and what consumers share: judged, or said to be not judged."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.settings.conftest import CONSUMER

from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import check_stack

CLUSTER = {"kind": "existing", "platform": "gkeStandard", "kubernetesVersion": "1.34"}
NATIVE = "config.beta.linkerd.io/proxy-enable-native-sidecar"
ABOUT = {"M-04a", "M-08", "M-08a", "V-08d", "V-34f"}


def stack(**consumers: Any) -> StackSettings:
    named = {name: {**CONSUMER, **changes, "name": name} for name, changes in consumers.items()}
    return StackSettings.model_validate({"name": "dev", "cluster": CLUSTER, "consumers": named})


def found(**changes: Any) -> dict[str, str]:
    """What the rules of this page say of one consumer, each with its level."""
    findings = check_stack(stack(mail=changes))
    return {one.rule: one.level.value for one in findings if one.rule in ABOUT}


def of_pod(**spec: Any) -> dict[str, Any]:
    return {"pod": {"patch": {"spec": {"template": {"spec": spec}}}}}


def of_worker(**container: Any) -> dict[str, Any]:
    return of_pod(containers=[{"name": "consumer", **container}])


def labelled(**metadata: Any) -> dict[str, Any]:
    return {"pod": {"patch": {"spec": {"template": {"metadata": metadata}}}}}


INJECTED: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"labels": {"sidecar.istio.io/inject": "true"}}, {"M-08": "warning"}),
    ({"annotations": {"sidecar.istio.io/inject": "true"}}, {"M-08": "warning"}),
    ({"labels": {"istio.io/rev": "1-27"}}, {"M-08": "warning"}),
    (labelled(labels={"sidecar.istio.io/inject": "true"}), {"M-08": "warning"}),
    ({"annotations": {"linkerd.io/inject": "ingress"}}, {"M-08": "warning"}),
    ({"annotations": {"linkerd.io/inject": "enabled", NATIVE: "false"}}, {"M-08": "warning"}),
    ({"annotations": {"linkerd.io/inject": "enabled", NATIVE: "true"}}, {}),
    ({"labels": {"kuma.io/sidecar-injection": "enabled"}}, {"M-08": "warning"}),
    ({"labels": {"sidecar.istio.io/inject": "false"}}, {}),
    *(({"annotations": {"linkerd.io/inject": no}}, {}) for no in ("false", "disable", "no", "Off", "n", "0", "")),
    (
        {"labels": {"sidecar.istio.io/inject": "true"}, "annotations": {"sidecar.istio.io/inject": "false"}},
        {"M-08": "warning"},
    ),
    (
        {"labels": {"sidecar.istio.io/inject": "true"}, **labelled(labels={"sidecar.istio.io/inject": "false"})},
        {},
    ),
    ({"labels": {"sidecar.istio.io/inject": "true"}, **labelled(labels={"sidecar.istio.io/inject": None})}, {}),
    ({"annotations": {"linkerd.io/inject": "disabled"}}, {}),
    ({"annotations": {"reloader.stakater.com/auto": "true"}}, {"M-08a": "info"}),
    ({"labels": {"admission.datadoghq.com/enabled": "true"}}, {"M-08a": "info"}),
    ({"labels": {"team": "shop", "helm.sh/chart": "shop-1"}}, {}),
    ({"annotations": {"prometheus.io/scrape": "true"}}, {}),
]


@pytest.mark.parametrize(("changes", "said"), INJECTED)
def test_what_a_label_asks_others_to_put_into_a_pod_is_named(changes, said):
    assert found(**changes) == said


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("sidecar.istio.io/inject", 'write sidecar.istio.io/nativeSidecar: "true" among the annotations, or'),
        ("linkerd.io/inject", f'write {NATIVE}: "true" among the annotations, or'),
        ("kuma.io/sidecar-injection", "see how it ends, or"),
        ("consul.hashicorp.com/connect-inject", "see how it ends, or"),
    ],
)
def test_a_mesh_is_told_to_end_last_by_an_annotation_that_it_knows(key: str, remedy: str):
    (finding,) = [one for one in check_stack(stack(mail={"annotations": {key: "true"}})) if one.rule == "M-08"]
    assert finding.remedy == f"{remedy} take the workers out of the mesh"
    assert finding.path == ("consumers", "mail", "annotations", key)


PATCHED: list[tuple[dict[str, Any], dict[str, str]]] = [
    (of_pod(schedulingGates=[{"name": "quota"}]), {"M-04a": "warning"}),
    (of_pod(schedulerName="mine"), {"M-04a": "warning"}),
    (of_pod(os={"name": "windows"}), {"M-04a": "warning"}),
    (of_pod(runtimeClassName="gvisor"), {"M-04a": "warning"}),
    (of_pod(nodeName="node-1"), {"M-04a": "warning"}),
    (
        of_pod(tolerations=[{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "tolerationSeconds": 0}]),
        {"M-04a": "warning"},
    ),
    (of_worker(securityContext={"privileged": True}), {"M-04a": "warning"}),
    (of_worker(env=[{"name": "MESSENGER_TRANSPORT_DSN", "value": "redis://h"}]), {"M-04a": "warning"}),
    (of_worker(resources={"limits": {"nvidia.com/gpu": 1}}), {}),
    (of_worker(resources={"requests": {"nvidia.com/gpu": 1}}), {}),
    *(
        (of_worker(**{name: value}), {})
        for name, value in (
            ("imagePullPolicy", "Always"),
            ("ports", [{"containerPort": 80}]),
            ("terminationMessagePath", "/tmp/last"),
            ("terminationMessagePolicy", "FallbackToLogsOnError"),
            ("volumeMounts", [{"name": "tmp", "mountPath": "/a"}]),
        )
    ),
    *(
        (of_pod(**{name: value}), {})
        for name, value in (
            ("affinity", {"podAntiAffinity": {}}),
            ("topologySpreadConstraints", [{"topologyKey": "zone", "maxSkew": 2}]),
            ("preemptionPolicy", "Never"),
            ("enableServiceLinks", True),
            ("imagePullSecrets", [{"name": "a"}]),
            ("initContainers", [{"name": "i", "image": "a:1"}]),
            ("volumes", [{"name": "a", "emptyDir": {}}]),
        )
    ),
    ({"pod": {"patch": {"spec": {"progressDeadlineSeconds": 900, "revisionHistoryLimit": 3}}}}, {}),
    ({"pod": {"patch": {"metadata": {"labels": {"a": "b"}, "annotations": {"acme.com/a": "b"}}}}}, {}),
    (of_pod(hostAliases=[{"ip": "10.0.0.1", "hostnames": ["broker"]}]), {}),
    (of_pod(dnsConfig={"options": [{"name": "ndots", "value": "2"}]}), {}),
    ({"pod": {"patch": {"spec": {"minReadySeconds": 5}}}}, {}),
    ({}, {}),
]


@pytest.mark.parametrize(("changes", "said"), PATCHED)
def test_a_patch_is_known_to_leave_a_drain_alone_or_is_not_judged(changes, said):
    assert found(**changes) == said


@pytest.mark.parametrize(
    ("patch", "setting"),
    [
        (of_pod(nodeSelector={"disk": "ssd"}), "placement.nodeSelector"),
        (of_pod(tolerations=[{"key": "a", "operator": "Exists"}]), "placement.tolerations"),
        (of_pod(serviceAccountName="mail"), "serviceAccount"),
        (of_pod(priorityClassName="high"), "pod.priorityClass"),
        (of_worker(env=[{"name": "A", "value": "b"}]), "environment"),
        (of_worker(envFrom=[{"secretRef": {"name": "a"}}]), "pod.environmentFrom"),
        (of_pod(runtimeClassName="gvisor"), ""),
    ],
)
def test_where_a_setting_says_what_a_patch_does_it_is_named(patch: dict[str, Any], setting: str):
    remedies = {one.remedy for one in check_stack(stack(mail=patch)) if one.rule == "M-04a"}
    here = f"write {setting}, which rules hold" if setting else "see a busy pod drain with it, and accept this"
    assert remedies == {here}


def test_who_may_act_on_a_pod_is_named_by_its_prefix():
    annotations = {"reloader.stakater.com/auto": "true"}
    (finding,) = [one for one in check_stack(stack(mail={"annotations": annotations})) if one.rule == "M-08a"]
    assert "whoever reads reloader.stakater.com may act" in finding.message


@pytest.mark.parametrize(
    "changes",
    [
        {"pod": {"patch": {"spec": {"paused": True}}}},
        of_pod(activeDeadlineSeconds=600),
        of_worker(restartPolicy="Never"),
        of_worker(restartPolicyRules=[{"action": "Restart"}]),
    ],
)
def test_a_patch_that_leaves_pods_without_workers_is_refused(changes):
    with pytest.raises(ValidationError, match="must not be patched"):
        ConsumerSettings.model_validate({**CONSUMER, "name": "mail", **changes})


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ({"cloud.google.com/gke-flex-start": "true"}, {"V-08d": "info"}),
        ({"cloud.google.com/gke-max-run-duration-seconds": "3600"}, {"V-08d": "info"}),
        ({"cloud.google.com/compute-class": "cheap"}, {"V-08d": "info"}),
        ({"cloud.google.com/compute-class": "Balanced"}, {}),
        ({"disk": "ssd"}, {}),
    ],
)
def test_how_nodes_end_that_no_rule_knows_is_not_judged(selector, said):
    assert found(placement={"nodeSelector": selector}) == said


def queue(timeout: str, longest: str, **transport: Any) -> dict[str, Any]:
    return {
        "transport": {"kind": "redis", "stream": "mail", "redeliverTimeout": timeout, **transport},
        "shutdown": {"longestMessage": longest},
        "secretEnvironment": {"MESSENGER_TRANSPORT_DSN": {"secret": "broker", "key": "dsn"}},
    }


AT, ELSEWHERE = {"address": "10.0.0.7:6379"}, {"address": "10.0.0.8:6379"}
OTHER_SECRET = {"secretEnvironment": {"MESSENGER_TRANSPORT_DSN": {"secret": "other", "key": "dsn"}}}
MORE_SECRETS = {
    "secretEnvironment": {
        "MESSENGER_TRANSPORT_DSN": {"secret": "broker", "key": "dsn"},
        "PAYMENTS": {"secret": "payments", "key": "token"},
    }
}
NAMED, ANY = {"address": "redis.brokers:6379"}, {"stream": [], "address": "10.0.0.7:6379"}


def rows(timeout: str, longest: str, **transport: Any) -> dict[str, Any]:
    table = {"kind": "doctrine", "address": "db:5432", "database": "a", "username": "a", "redeliverTimeout": timeout}
    return {**queue(timeout, longest), "transport": {**table, **transport}}


def tasks(timeout: str, longest: str, **transport: Any) -> dict[str, Any]:
    lists = {"kind": "celeryRedis", "visibilityTimeout": timeout, "queue": "a", **AT, **transport}
    worker = {"kind": "celery", "app": "shop", "queues": [lists["queue"]]}
    return {"worker": worker, "transport": lists, "shutdown": {"longestMessage": longest}}


def reserved(timeout: str, longest: str) -> dict[str, Any]:
    transport = {"kind": "laravelRedis", "retryAfter": timeout, **AT}
    return {"worker": {"kind": "laravelQueue"}, "transport": transport, "shutdown": {"longestMessage": longest}}


def on_sqs(timeout: str, longest: str, **transport: Any) -> dict[str, Any]:
    url = {"queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs", "region": "eu-west-1", "bufferSize": 1}
    return {**queue(timeout, longest), "transport": {"kind": "sqs", "visibilityTimeout": timeout, **url, **transport}}


SHARED: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("one is shorter than the other's message", queue("90s", "60s", **AT), queue("230s", "200s", **AT), True),
    (
        "of two streams one is shared",
        queue("90s", "60s", **AT),
        queue("230s", "200s", stream=["x", "mail"], **AT),
        True,
    ),
    ("by the same Secret", queue("90s", "60s"), queue("230s", "200s"), True),
    (
        "by one address, whatever the Secret",
        queue("90s", "60s", **AT),
        {**queue("230s", "200s", **AT), **OTHER_SECRET},
        True,
    ),
    ("both are long enough", queue("230s", "60s", **AT), queue("230s", "200s", **AT), False),
    ("another stream", queue("90s", "60s", **AT), queue("230s", "200s", stream="x", **AT), False),
    ("another server", queue("90s", "60s", **AT), queue("230s", "200s", **ELSEWHERE), False),
    ("another database", queue("90s", "60s", **AT), queue("230s", "200s", database=1, **AT), False),
    ("another Secret", queue("90s", "60s"), {**queue("230s", "200s"), **OTHER_SECRET}, False),
    ("the same Secret of another namespace", queue("90s", "60s"), {**queue("230s", "200s"), "namespace": "x"}, False),
    # How KEDA logs in says nothing of where the messages are, nor does any other Secret.
    *(
        (f"another {next(iter(login))}", queue("90s", "60s", **NAMED), queue("230s", "200s", **NAMED, **login), True)
        for login in ({"username": "keda"}, {"tls": True}, {"password": {"secret": "s", "key": "k"}})
    ),
    ("by the same Secret, beside another one", queue("90s", "60s"), {**queue("230s", "200s"), **MORE_SECRETS}, True),
    # One server has several spellings.
    *(
        (address, queue("90s", "60s", address=here), queue("230s", "200s", address=address), is_one)
        for here, address, is_one in (
            ("redis.brokers:6379", "redis.brokers.svc:6379", True),
            ("redis.brokers:6379", "redis.brokers.svc.cluster.local:6379", True),
            ("redis.brokers:6379", "Redis.Brokers:6379", True),
            ("redis.brokers:6379", "redis.brokers.svc.example:6379", False),
            ("redis.brokers:6379", "redis.brokers:06380", False),
            ("[fd00::7]:6379", "[FD00:0::7]:6379", True),
            ("10.0.0.7:6379", "10.0.0.8:6379", False),
        )
    ),
    # Who names no stream reads that of its receiver: in one application the same receiver is the same stream.
    ("no stream, by the same receiver", queue("90s", "60s", **ANY), queue("230s", "200s", **ANY), True),
    *(
        (f"no stream, {name}", queue("90s", "60s", **ANY), {**queue("230s", "200s", **ANY), **other}, False)
        for name, other in (
            ("another receiver", {"worker": {**CONSUMER["worker"], "receivers": ["b"]}}),
            ("another application", {"image": "registry.example/consumers/other:1"}),
            ("another environment", {"environment": {"STREAM": "b"}}),
        )
    ),
    ("no stream, another server", queue("90s", "60s", **ANY), queue("230s", "200s", stream=[], **ELSEWHERE), False),
    ("a stream that is named twice", queue("90s", "60s", stream=["a", "a"], **AT), {}, False),
    # Of a table each queue is one of its own, whoever else is beside it.
    ("one of a table's two", rows("90s", "60s", queue=["high", "low"]), rows("230s", "200s", queue="low"), True),
    ("by another user", rows("90s", "60s"), rows("230s", "200s", username="b", sslMode="prefer"), True),
    ("another table", rows("90s", "60s"), rows("230s", "200s", table="b"), False),
    ("another base", rows("90s", "60s"), rows("230s", "200s", database="b"), False),
    # Celery's workers have one hash in a database, and hold what is delayed.
    ("of another queue of Celery's", tasks("260s", "60s"), tasks("500s", "200s", queue="b"), True),
    ("what is delayed", tasks("260s", "60s"), tasks("3h", "60s", longestDelay="2h"), True),
    ("of another prefix", tasks("260s", "60s"), tasks("500s", "200s", unackedKey="b_unacked"), False),
    # Laravel reserves a job for as long as the worker that takes it says.
    ("of Laravel's", reserved("90s", "60s"), reserved("230s", "200s"), False),
    ("of SQS", on_sqs("90s", "60s"), on_sqs("230s", "200s"), True),
    ("what one worker takes at once", on_sqs("90s", "10s"), on_sqs("230s", "10s", bufferSize=9), True),
]


@pytest.mark.parametrize(("one", "other", "refused"), [case[1:] for case in SHARED], ids=[case[0] for case in SHARED])
def test_a_consumer_does_not_take_over_what_another_one_of_its_queue_has_in_hand(one, other, refused):
    if not refused:
        assert stack(quick=one, slow=other)
        return
    with pytest.raises(ValidationError, match="quick would handle it a second time"):
        stack(quick=one, slow=other)


# What an address among the variables says of its transport.

REDIS = {"kind": "redis", "stream": "mail", "address": "10.0.0.7:6379", "redeliverTimeout": "240s"}
TABLE = {"kind": "doctrine", "address": "db:5432", "database": "a", "username": "a", "redeliverTimeout": "240s"}
KEDA = {"kind": "keda", "minReplicas": 0, "maxReplicas": 5}


def addressed(dsn: str, variable: str = "MESSENGER_TRANSPORT_DSN", **changes: Any) -> dict[str, Any]:
    return {"environment": {variable: dsn}, "transport": REDIS, "autoscaling": KEDA, **changes}


@pytest.mark.parametrize(
    ("option", "is_refused"),
    [
        ("redeliver_timeout=10", True),
        ("redeliver_timeout=240", False),
        ("redeliver_timeout=240.0", True),
        ("redeliver_timeout=2_40", True),
        ("redeliver_timeout=240.5", True),
        ("redeliver_timeout=soon", True),
        # Nothing is 0 to PHP.
        ("redeliver_timeout=", True),
        # A word for true is no number.
        ("redeliver_timeout=true", True),
        ("redeliver_timeout=1", True),
        ("stream_max_entries=", False),
        ("claim_interval=60000", False),
        ("claim_interval=5000", True),
        *((f"delete_after_ack={word}", True) for word in ("0", "false", "off", "no", "", "OFF")),
        *((f"delete_after_ack={word}", False) for word in ("1", "true", "on", "yes", "True")),
        ("stream_max_entries=1000", True),
        ("stream_max_entries=0", False),
        ("auto_setup=0", False),
    ],
)
def test_what_an_address_says_of_redelivery_is_what_is_judged(option, is_refused):
    written = {**CONSUMER, "name": "mail", **addressed(f"redis://10.0.0.7:6379/mail?{option}")}
    if not is_refused:
        assert ConsumerSettings.model_validate(written)
        return
    with pytest.raises(ValidationError, match=r"environment\.MESSENGER_TRANSPORT_DSN"):
        ConsumerSettings.model_validate(written)


@pytest.mark.parametrize("variable", ["REDIS_URL", "CACHE_DSN"])
def test_an_address_of_something_else_is_left_alone(variable):
    assert ConsumerSettings.model_validate(
        {**CONSUMER, "name": "mail", **addressed("redis://10.0.0.7:6379/mail?redeliver_timeout=10", variable)}
    )


SECRET = {"secretEnvironment": {"MESSENGER_DSN": {"secret": "broker", "key": "dsn"}}}


@pytest.mark.parametrize(
    ("changes", "is_said"),
    [
        (addressed("redis://10.0.0.7:6379/mail"), False),
        (addressed("redis://10.0.0.7/mail"), False),
        (addressed("redis://10.0.0.7:6379/other"), True),
        (addressed("redis://10.0.0.8:6379/mail"), True),
        # What the address leaves out, the transport's options may say.
        (addressed("redis://10.0.0.7:6379"), False),
        (addressed("redis://10.0.0.7:6379?stream=mail"), False),
        (addressed("redis://10.0.0.7:6379?stream=other"), True),
        # The path wins over the option.
        (addressed("redis://10.0.0.7:6379/mail?stream=other"), False),
        (addressed("redis://10.0.0.7:6379/mail?dbindex=2"), True),
        (addressed("redis://10.0.0.7:6379/mail?dbindex=2", transport={**REDIS, "database": 2}), False),
        (addressed("redis://10.0.0.7:6379/mail?dbindex=0"), False),
        (addressed("redis://10.0.0.7:6380/mail"), True),
        # One server by another spelling, by its name in the pod's own namespace, or by an address of that name.
        *(
            (addressed(f"redis://{at}/mail", transport={**REDIS, "address": address}), is_said)
            for at, address, is_said in (
                ("redis:6379", "redis.consumers:6379", False),
                ("redis:6380", "redis.consumers:6379", True),
                ("red:6379", "redis.consumers:6379", True),
                ("redis.other:6379", "redis.consumers:6379", True),
                ("redis.consumers", "redis.consumers.svc.cluster.local:6379", False),
                ("Redis.consumers.svc", "redis.consumers:6379", False),
                ("[fd00:0::7]", "[fd00::7]:6379", False),
                ("[fd00::8]", "[fd00::7]:6379", True),
                ("redis.consumers", "10.0.0.7:6379", False),
                ("10.0.0.7:6380", "redis.consumers:6379", True),
            )
        ),
        (addressed("redis://one:6379,redis://two:6379/mail"), False),
        (addressed("redis://one:6379,redis://two:6379/other"), True),
        *(
            (addressed(f"doctrine://default?{option}", transport=TABLE), is_said)
            for option, is_said in (
                ("auto_setup=0", False),
                ("queue_name=default", False),
                ("queue_name=high", True),
                ("table_name=messenger_messages", False),
                ("table_name=jobs", True),
            )
        ),
        # Another variable may be the one that is read from.
        (addressed("redis://10.0.0.8:6379/other", **SECRET), False),
        (addressed("redis://10.0.0.8:6379/other", autoscaling={"kind": "fixed", "replicas": 1}), False),
    ],
)
def test_the_stream_that_workers_read_is_the_one_that_is_counted(changes, is_said):
    cluster = {**CLUSTER, "keda": {"version": "2.20.2"}}
    consumer = {**CONSUMER, "name": "mail", **changes}
    built = StackSettings.model_validate({"name": "dev", "cluster": cluster, "consumers": {"mail": consumer}})
    assert ("V-59a" in {one.rule for one in check_stack(built)}) is is_said


@pytest.mark.parametrize(
    ("environment", "is_said"),
    [
        ({"PATH": "/app/bin"}, True),
        ({"LD_PRELOAD": "/app/hook.so"}, True),
        ({"PHP_INI_SCAN_DIR": "/app/ini"}, True),
        ({"PHP_INI_SCAN_DIR": ":/app/ini"}, False),
        *(
            ({name: "/app/x"}, True)
            for name in (
                *("LD_AUDIT", "LD_BIND_NOT", "LD_NEWER", "GLIBC_TUNABLES", "GCONV_PATH", "OPENSSL_CONF"),
                *("SHELLOPTS", "PYTHONHOME", "PYTHONINSPECT", "NODE_OPTIONS", "RUBYOPT"),
                *("PERL5OPT", "JAVA_TOOL_OPTIONS", "DOTNET_STARTUP_HOOKS", "PHPRC", "BASH_ENV", "BASHOPTS", "ZDOTDIR"),
                *("PYTHONSTARTUP", "PYTHONBREAKPOINT", "PYTHONEXECUTABLE", "BUN_OPTIONS", "PERL5DB"),
                *("JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "LD_LIBRARY_PATH"),
            )
        ),
        # Where the application's own modules are, it may say.
        ({"PYTHONPATH": "/app", "NODE_PATH": "/app", "CLASSPATH": "/app", "PYTHONUNBUFFERED": "1"}, False),
        ({"TZ": "Europe/Berlin"}, False),
        # LaunchDarkly's, and sizes of memory.
        *(({name: "5f3c"}, False) for name in ("LD_CLIENT_SIDE_ID", "LD_SDK_KEY", "LD_MOBILE_KEY")),
        *(({name: "-Xmx512m"}, False) for name in ("JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")),
        ({"NODE_OPTIONS": "--max-old-space-size=512", "JAVA_TOOL_OPTIONS": "-Xmx512m -XX:MaxRAMPercentage=75"}, False),
        ({"NODE_OPTIONS": "--max-old-space-size=512 --require ./trace.js"}, True),
        ({"JAVA_TOOL_OPTIONS": " "}, True),
        # Neither reaches the script of a shell: an application's own stage is called ENV.
        ({"ENV": "production", "IFS": ":"}, False),
    ],
)
def test_a_variable_that_changes_what_runs_is_not_judged(environment, is_said):
    assert ("E-04" in {one.rule for one in check_stack(stack(mail={"environment": environment}))}) is is_said


@pytest.mark.parametrize(
    "command",
    [
        ["doppler", "run", "--", "/app/worker"],
        ["secretfetch", "exec", "--", "/app/worker"],
        ["envconsul", "-config=/etc/envconsul.hcl", "/app/worker"],
    ],
)
def test_what_fetches_secrets_before_the_worker_is_not_judged(command):
    worker = {"kind": "command", "command": command, "processes": 1}
    assert "V-21a" in {one.rule for one in check_stack(stack(mail={"worker": worker}))}


@pytest.mark.parametrize(
    ("transport", "environment", "is_said"),
    [
        ({"address": "pgbouncer.db:5432"}, {}, True),
        ({"address": "db.internal:6432"}, {}, True),
        ({}, {"DATABASE_URL": "postgresql://app@aws-0.pooler.supabase.com:5432/app"}, True),
        ({}, {"MESSENGER_TRANSPORT_DSN": "pgsql://app@pgpool/app"}, True),
        # No DSN says it: Symfony refuses the option there, and takes it from messenger.yaml alone.
        ({}, {"MESSENGER_TRANSPORT_DSN": "postgres://app@pgcat/app?use_notify=0"}, True),
        ({"address": "odyssey.db:5432"}, {}, True),
        ({"address": "odyssey-pg:5432"}, {}, True),
        ({"address": "main-pooler-rw.db:5432"}, {}, True),
        # What is only called so.
        ({"address": "odyssey-games.db:5432"}, {}, False),
        ({"address": "carpooler-db:5432"}, {}, False),
        ({"address": "pg-catalog:5432"}, {}, False),
        # Who connects, and to which database, says nothing of the host.
        ({}, {"DATABASE_URL": "postgresql://odyssey@db.internal:5432/odyssey"}, False),
        ({}, {"DATABASE_URL": "mysql://app@pooler:6432/app"}, False),
        ({"platform": "mysql", "address": "pooler:6432"}, {}, False),
        ({"address": "db.internal:5432"}, {"POOLER": "yes"}, False),
    ],
)
def test_a_pooler_between_a_worker_and_postgresql_is_named(transport, environment, is_said):
    consumer = {"transport": {"kind": "doctrine", **transport}, "environment": environment}
    assert ("V-34h" in {one.rule for one in check_stack(stack(mail=consumer))}) is is_said


EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
LONG = {"longestMessage": "20m", "nodeScaleDown": "protect"}


@pytest.mark.parametrize("value", ["true", "false", None])
def test_a_patch_takes_nobody_the_protection_that_the_time_to_finish_counts_on(value):
    patch = {"spec": {"template": {"metadata": {"annotations": {EVICT: value}}}}}
    with pytest.raises(ValidationError, match=r"must not be patched.*write shutdown\.nodeScaleDown"):
        stack(mail={"shutdown": LONG, "pod": {"patch": patch}})


def test_an_annotation_that_says_otherwise_than_the_setting_is_refused_and_not_dropped():
    with pytest.raises(ValidationError, match="the pods get what the latter says"):
        stack(mail={"shutdown": LONG, "annotations": {EVICT: "true"}})
    assert stack(mail={"shutdown": LONG, "annotations": {EVICT: "false"}})


def test_a_patch_is_no_second_writer_of_the_deletion_cost():
    patch = {"spec": {"template": {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "5"}}}}}
    assert stack(mail={"pod": {"patch": patch}})
    with pytest.raises(ValidationError, match="written by the pods themselves"):
        stack(mail={"shutdown": {"idleFirst": {"apiServer": "10.0.0.0/28"}}, "pod": {"patch": patch}})


@pytest.mark.parametrize("is_the_consumers", [True, False])
@pytest.mark.parametrize("create", [True, False])
def test_what_others_limit_in_their_namespace_is_not_judged(create, is_the_consumers):
    named = {"namespace": {"name": "team-a", "create": create}}
    consumer = {**CONSUMER, "name": "mail", **(named if is_the_consumers else {})}
    written = {"name": "dev", "cluster": CLUSTER, "consumers": {"mail": consumer}}
    built = StackSettings.model_validate({**written, **({} if is_the_consumers else named)})
    assert ("N-07" in {one.rule for one in check_stack(built)}) is not create


def _said_of(behavior, **scaling):
    scaling = {"maxReplicas": 5, **scaling, "behavior": behavior}
    consumer = {**CONSUMER, "name": "mail", "transport": REDIS, "autoscaling": scaling}
    cluster = {**CLUSTER, "kubernetesVersion": "1.37", "keda": {"version": "2.20.2"}}
    built = StackSettings.model_validate({"name": "dev", "cluster": cluster, "consumers": {"mail": consumer}})
    (found,) = [one.message for one in check_stack(built) if one.rule == "H-02"] or [""]
    return found


BACKLOG = {"metrics": [{"kind": "external", "metric": "b", "targetAverageValue": 5}]}


@pytest.mark.parametrize(
    ("behavior", "of_hpa", "of_keda"),
    [
        ({"scaleUp": {"selectPolicy": "Disabled"}}, "adds no pod, ", "adds no pod to the first, however much waits"),
        ({"scaleDown": {"selectPolicy": "Disabled"}}, "the number only grows", "no pod away before the queue is empty"),
        ({"scaleUp": {"tolerance": "1"}}, "adds no pod until", "adds no pod to the first until a metric is above 2"),
        ({"scaleDown": {"tolerance": "1"}}, "no pod away, whatever", "no pod away before the queue is empty, whatever"),
    ],
)
def test_at_zero_keda_moves_the_first_and_the_last_pods_all_the_same(behavior, of_hpa, of_keda):
    assert of_hpa in _said_of(behavior, kind="hpa", minReplicas=0, **BACKLOG)
    assert of_keda in _said_of(behavior, kind="keda", minReplicas=0)


@pytest.mark.parametrize(
    ("behavior", "words"),
    [
        ({"scaleUp": {"selectPolicy": "Disabled"}}, "adds no pod, however much waits"),
        ({"scaleDown": {"selectPolicy": "Disabled"}}, "takes no pod away: the number only grows"),
        ({"scaleUp": {"tolerance": "1"}}, "adds no pod until a metric is above 2 times its target"),
        ({"scaleDown": {"tolerance": "1"}}, "takes no pod away, whatever it measures"),
        ({"scaleUp": {"tolerance": "0.99"}, "scaleDown": {"tolerance": "0.2", "selectPolicy": "Min"}}, ""),
    ],
)
@pytest.mark.parametrize("kind", ["keda", "hpa"])
def test_an_autoscaler_that_moves_one_way_only_is_named(behavior, words, kind):
    found = _said_of(behavior, kind=kind, minReplicas=1, **(BACKLOG if kind == "hpa" else {}))
    assert words in found
    assert bool(words) == bool(found)
