"""A queue of SQS hides a message for as long as its worker may be at it, or doctor says that it does not know."""

from __future__ import annotations

from typing import Any, Final

import pytest
from tests import quick_yaml
from tests.doctor.test_edges import celery, keda, said_of, workload

from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.files import File

URL = "https://sqs.eu-central-1.amazonaws.com/111122223333/mail"
OWN = ["/usr/local/bin/mail-worker"]
LARAVEL = ["php", "artisan", "queue:work", "sqs", "--queue=mail", "--timeout=120"]
ENV = [{"name": "QUEUE_URL", "value": URL}]


def ack(**spec: Any) -> str:
    return made("sqs.services.k8s.aws/v1alpha1", {"queueName": "mail", **spec})


def upbound(**settings: Any) -> str:
    return made("sqs.aws.upbound.io/v1beta1", {"forProvider": {"region": "eu-central-1", **settings}}, name="mail")


def made(version: str, spec: dict[str, Any], *, name: str = "m", **annotations: str) -> str:
    metadata = {"name": name, "annotations": {key.replace("_", "/"): text for key, text in annotations.items()}}
    return quick_yaml.dump({"apiVersion": version, "kind": "Queue", "metadata": metadata, "spec": spec})


def template(**properties: Any) -> str:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "mail", **properties}}
    return quick_yaml.dump({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Mail": queue}})


def taken(queue: str, command: list[str] = OWN, grace: int = 900, **container: Any) -> dict[str, str]:
    pod = {"terminationGracePeriodSeconds": grace}
    return {"q.yaml": queue, "a.yaml": workload(command, pod=pod, **{"env": ENV, **container})}


def node(code: str) -> dict[str, str]:
    text = f'import {{ SQSClient }} from "@aws-sdk/client-sqs";\nsqs.send(new ReceiveMessageCommand({{{code}}}));\n'
    return {**taken(ack(visibilityTimeout="30"), ["node", "worker.js"]), "worker.js": text}


CASES: Final[dict[str, tuple[dict[str, str], str]]] = {
    "ACK": (taken(ack(visibilityTimeout="30")), "after 30 s, although the pod has 900 s to finish it"),
    "ACK, a number": (taken(ack(visibilityTimeout=30)), "unless it asks for more time with its messages"),
    "ACK, nothing": (taken(ack()), "after 30 s, the default, although the pod has 900 s"),
    "ACK, long enough": (taken(ack(visibilityTimeout="1000")), ""),
    "ACK, half of it": (taken(ack(visibilityTimeout="450")), ""),
    "ACK, less than half": (taken(ack(visibilityTimeout="449")), "after 449 s"),
    "ACK, not a number": (taken(ack(visibilityTimeout="${T}")), ""),
    "ACK, another queue": (taken(ack(queueName="bills", visibilityTimeout="30")), ""),
    "Crossplane": (taken(upbound(visibilityTimeoutSeconds=30)), "write visibilityTimeoutSeconds: the longest message"),
    "Crossplane, long enough": (taken(upbound(visibilityTimeoutSeconds=960)), ""),
    "Crossplane, its first": (
        taken(made("sqs.aws.crossplane.io/v1beta1", {"forProvider": {"visibilityTimeout": 30}}, name="mail")),
        "SQS queue mail; write visibilityTimeout:",
    ),
    "Crossplane, by its external name": (
        taken(
            made(
                "sqs.aws.m.upbound.io/v1beta1",
                {"forProvider": {"visibilityTimeoutSeconds": 30}},
                **{"crossplane.io_external-name": "mail"},
            )
        ),
        "after 30 s",
    ),
    "CloudFormation": (taken(template(VisibilityTimeout=60)), "after 60 s"),
    "CloudFormation, nothing": (taken(template()), "after 30 s, the default"),
    "CloudFormation, long enough": (taken(template(VisibilityTimeout=960)), ""),
    "another Queue": (taken(made("mq.example.org/v1", {"queueName": "mail", "visibilityTimeout": "30"})), ""),
    "a short pod": (taken(ack(visibilityTimeout="30"), grace=45), ""),
    # Who takes from it, and for how long.
    "a limit of Laravel's": (taken(ack(visibilityTimeout="90"), LARAVEL, 150), "artisan queue:work may take 120 s"),
    "a limit of Laravel's, below it": (taken(ack(visibilityTimeout="150"), LARAVEL, 150), ""),
    "by a trigger": (
        {
            **taken(ack(visibilityTimeout="30"), env=[]),
            "k.yaml": keda({"type": "aws-sqs-queue", "metadata": {"queueURL": URL}}),
        },
        "after 30 s",
    ),
    "by an option": (taken(ack(visibilityTimeout="30"), [*OWN, f"--queue-url={URL}"], env=[]), "after 30 s"),
    "by nothing": (taken(ack(visibilityTimeout="30"), env=[]), ""),
    "Celery": (
        {
            **taken(ack(visibilityTimeout="30"), ["celery", "-A", "s", "worker", "-c", "1", "-Q", "mail"], env=[]),
            **celery(task_time_limit=600, task_acks_late=True),
        },
        "celery worker may take 600 s",
    ),
    "Celery with a time of its own": (
        {
            **taken(ack(visibilityTimeout="30"), ["celery", "-A", "s", "worker", "-c", "1", "-Q", "mail"], env=[]),
            **celery(task_time_limit=600, broker_transport_options={"visibility_timeout": 700}),
        },
        "",
    ),
    "a program that asks for more": (node("VisibilityTimeout: 900"), ""),
    "a program that does not": (node("QueueUrl"), "after 30 s"),
}
OPEN: Final = {
    "ACK, not a number": "its visibility timeout is no number here",
    "ACK, another queue": "SQS queue bills: who takes from it is not seen",
    "by nothing": "SQS queue mail: who takes from it is not seen",
}


@pytest.mark.parametrize("case", CASES)
def test_a_queue_that_shows_a_message_again_too_soon_is_found_wherever_it_is_made(case: str) -> None:
    files, said = CASES[case]
    found = [one for one in diagnose_files([File(*one) for one in files.items()]).diagnoses if one.rule == "D-78"]
    assert said.partition("; ")[0] in " ".join(f"{one.subject} {one.message}; {one.remedy}" for one in found)
    said_of("D-78", files, said.partition("; ")[2]) if "; " in said else said_of("D-78", files, said)


@pytest.mark.parametrize("case", CASES)
def test_a_queue_that_nobody_is_seen_to_take_from_is_named(case: str) -> None:
    notes = " ".join(note.text for note in diagnose_files([File(*one) for one in CASES[case][0].items()]).notes)
    assert OPEN.get(case, "") in notes
    assert case in OPEN or "SQS queue" not in notes


def test_a_queue_for_what_has_failed_needs_nobody() -> None:
    files = taken(ack(visibilityTimeout="1000")) | {"d.yaml": ack(queueName="mail-dlq")}
    assert not [note for note in diagnose_files([File(*one) for one in files.items()]).notes if "dlq" in note.text]
