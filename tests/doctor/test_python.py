"""Programs of Python, and clients of Node.js: messages are done when they are handled, and end at the stop signal."""

from __future__ import annotations

from typing import Any, Final

import pytest
from tests.doctor.test_edges import OF_PODS, Edge, celery, hpa, keda, said_of, workload

from ebbtide.doctor.diagnose import Report, diagnose_files
from ebbtide.doctor.files import File

PIKA: Final = "import signal\nimport pika\nconnection = pika.BlockingConnection()\nchannel = connection.channel()\n"
QOS: Final = "channel.basic_qos(prefetch_count=1)\n"
START: Final = "channel.start_consuming()\n"
ON_TERM: Final = "signal.signal(signal.SIGTERM, lambda *_: channel.stop_consuming())\n"
SQS: Final = "import signal\nimport boto3\nsqs = boto3.client('sqs')\n"
RECEIVE: Final = "response = sqs.receive_message(QueueUrl=URL)\n"
DELETE: Final = "sqs.delete_message(QueueUrl=URL, ReceiptHandle=message['ReceiptHandle'])"
STOP: Final = "signal.signal(signal.SIGTERM, stop)\n"
RUN: Final = ["python", "-u", "take.py"]
ARQ: Final = ["arq", "jobs.settings.WorkerSettings"]
AMQP: Final = 'const amqp = require("amqplib");\nconst ch = await connection.createChannel();\n'
CONSUME: Final = 'ch.consume("mail", async (message) => {\nawait send(message);\nch.ack(message);\n});\n'
PREFETCH: Final = "await ch.prefetch(5);\n"
SQS_CONSUMER: Final = 'import { Consumer } from "sqs-consumer";\nconst consumer = Consumer.create({ queueUrl, '
KAFKA: Final = 'import { Kafka } from "kafkajs";\nawait consumer.run({ eachMessage: handle });\n'


def taken(code: str, command: list[str] = RUN, name: str = "take.py", **more: Any) -> dict[str, str]:
    return {"a.yaml": workload(command, **more), name: code}


def consumed(body: str, options: str = "") -> str:
    """pika, with a callback."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    start = f'channel.basic_consume("mail", take{options})\n{START}'
    return f"{PIKA}{QOS}{ON_TERM}def take(ch, method, properties, body):\n{lines}{start}"


def each(*lines: str, more: str = STOP) -> str:
    """SQS, in a loop."""
    inside = "".join(f"        {line}\n" for line in lines)
    return f"{SQS}{more}while running:\n    {RECEIVE}    for message in response.get('Messages', []):\n{inside}"


def on_term(handler: str) -> str:
    return f'process.on("SIGTERM", {handler});\n'


def node(code: str, **more: Any) -> dict[str, str]:
    return taken(code, ["node", "take.js"], "take.js", **more)


def arq(**options: object) -> dict[str, str]:
    said = "".join(f"    {name} = {value!r}\n" for name, value in options.items())
    code = f"from arq.connections import RedisSettings\n\n\nclass WorkerSettings:\n    functions = [send]\n{said}"
    return taken(code, ARQ, "jobs/settings.py", pod={"terminationGracePeriodSeconds": 400})


EARLY: Final = "acknowledges a message before it handles it"
DELETES: Final = "deletes a message from SQS before it handles it"
NO_SIGNAL: Final = "takes messages and handles no SIGTERM"
HASTY: Final = "ends the process at SIGTERM by"
CASES: Final[dict[str, Edge]] = {
    # When a message is done.
    "auto_ack": ("D-92", taken(consumed("send(body)", ", auto_ack=True")), "takes messages with auto_ack=True"),
    "auto_ack of one that is got": (
        "D-92",
        taken(f'{PIKA}{ON_TERM}channel.basic_get("mail", auto_ack=True)\n'),
        "leave auto_ack out, and write basic_ack behind the work",
    ),
    "no auto_ack": ("D-92", taken(consumed("send(body)\nch.basic_ack(method.delivery_tag)")), ""),
    "auto_ack of replies": (
        "D-92",
        taken(f'{PIKA}{ON_TERM}channel.basic_consume("amq.rabbitmq.reply-to", take, auto_ack=True)\n'),
        "",
    ),
    "auto_ack of a queue of its own": (
        "D-92",
        taken(f'{PIKA}q = channel.queue_declare("", exclusive=True)\nchannel.basic_consume(q, take, auto_ack=True)\n'),
        "",
    ),
    "auto_ack=False": ("D-92", taken(consumed("send(body)", ", auto_ack=False")), ""),
    "ack first": ("D-92", taken(consumed("ch.basic_ack(method.delivery_tag)\nsend(body)")), EARLY),
    "ack first, of what is made of it": (
        "D-92",
        taken(consumed("order = json.loads(body)\nch.basic_ack(method.delivery_tag)\nsend(order['id'])")),
        EARLY,
    ),
    "ack first, in a try": (
        "D-92",
        taken(consumed("try:\n    ch.basic_ack(method.delivery_tag)\n    send(body)\nexcept Exception:\n    log()")),
        EARLY,
    ),
    "ack last": ("D-92", taken(consumed("send(body)\nch.basic_ack(method.delivery_tag)\nlog.info(body)")), ""),
    "ack of what nobody wants": (
        "D-92",
        taken(consumed("if old(body):\n    ch.basic_ack(method.delivery_tag)\n    return\nsend(body)")),
        "",
    ),
    "ack, and nothing but the log": ("D-92", taken(consumed("ch.basic_ack(method.delivery_tag)\nprint(body)")), ""),
    "ack first, of kombu": (
        "D-92",
        taken(
            "from kombu.mixins import ConsumerMixin\nclass Mail(ConsumerMixin):\n"
            "    def take(self, body, message):\n        message.ack()\n        send(body)\n"
        ),
        EARLY,
    ),
    "ack first, of aio-pika": (
        "D-92",
        taken(
            "import aio_pika\nasync def take(message):\n    async with message.process(ignore_processed=True):\n"
            "        await message.ack()\n        await send(message.body)\nasync def main():\n"
            "    await queue.consume(take)\n"
        ),
        EARLY,
    ),
    "ack of another library": ("D-92", taken("import slack\ndef take(ack, body):\n    ack()\n    send(body)\n"), ""),
    "delete first": ("D-92", taken(each(DELETE, "handle(message)")), DELETES),
    "delete last": ("D-92", taken(each("handle(message)", DELETE)), ""),
    "delete first, of a resource": (
        "D-92",
        taken(
            f"{SQS}{STOP}for message in queue.receive_messages():\n    body = json.loads(message.body)\n"
            "    message.delete()\n    handle(body)\n"
        ),
        DELETES,
    ),
    "delete of something else": (
        "D-92",
        taken(f"{each('handle(message)', DELETE)}for one in bucket.objects.all():\n    one.delete()\n    tell(one)\n"),
        "",
    ),
    # What becomes of the program at its stop signal.
    "no handler": ("D-18", taken(f'{PIKA}{QOS}channel.basic_consume("mail", take)\n{START}'), NO_SIGNAL),
    "a handler": ("D-18", taken(consumed("send(body)")), ""),
    "no handler, by a module": (
        "D-18",
        taken(each("handle(message)", more=""), ["python", "-m", "mail"], "mail/__main__.py"),
        NO_SIGNAL,
    ),
    "no handler, in an entrypoint's program": (
        "D-18",
        {
            **taken(each("handle(message)", more=""), ["/entrypoint.sh"]),
            "entrypoint.sh": "#!/bin/sh\nset -e\npython migrate.py\nexec python take.py\n",
        },
        NO_SIGNAL,
    ),
    "a handler in a module of the team's": (
        "D-18",
        {**taken(f"from app.stop import on_stop\n{each('handle(message)', more='')}"), "app/stop.py": STOP},
        "",
    ),
    "a module of the team's that is not here": (
        "D-18",
        {**taken(f"from .stop import on_stop\n{each('handle(message)', more='')}")},
        "",
    ),
    "who leaves signals to uvicorn": ("D-18", taken(f"import uvicorn\n{each('handle(message)', more='')}"), ""),
    "a handler that leaves at once": (
        "D-18",
        taken(each("handle(message)", more="signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n")),
        f"{HASTY} exit",
    ),
    "a handler that says so and leaves": (
        "D-18",
        taken(each("handle(message)", more=f"def stop(*_):\n    log.info('bye')\n    os._exit(0)\n{STOP}")),
        f"{HASTY} _exit",
    ),
    "a handler that waits, and leaves": (
        "D-18",
        taken(each("handle(message)", more=f"def stop(*_):\n    thread.join()\n    sys.exit(0)\n{STOP}")),
        "",
    ),
    "a handler that leaves where nothing is in hand": (
        "D-18",
        taken(each("handle(message)", more=f"def stop(*_):\n    if idle:\n        sys.exit(0)\n{STOP}")),
        "",
    ),
    "what takes no messages": ("D-18", taken("import boto3\ns3 = boto3.client('s3')\ns3.get_object()\n"), ""),
    "what is started by INT": (
        "D-18",
        taken(each("handle(message)", more=""), lifecycle={"stopSignal": "SIGINT"}),
        "",
    ),
    # For how long SQS hides a message.
    "visible before a limit of its own": (
        "D-79",
        taken(each("subprocess.run(cmd, timeout=300)", DELETE).replace("URL)\n  ", "URL, VisibilityTimeout=60)\n  ")),
        "hide a message for 60 s, and python may take 300 s for it (take.py:",
    ),
    "visible behind it": (
        "D-79",
        taken(each("subprocess.run(cmd, timeout=40)", DELETE).replace("URL)\n  ", "URL, VisibilityTimeout=60)\n  ")),
        "",
    ),
    "visible, by the pod's time": (
        "D-79",
        taken(
            each("handle(message)", DELETE).replace("URL)\n  ", "URL, VisibilityTimeout=60)\n  "),
            pod={"terminationGracePeriodSeconds": 600},
        ),
        "although the pod has 600 s to finish it",
    ),
    "visible, by a variable": (
        "D-79",
        taken(
            each("subprocess.run(cmd, timeout=int(os.environ['LIMIT']))").replace(
                "URL)\n  ", "URL, VisibilityTimeout=60)\n  "
            ),
            env=[{"name": "LIMIT", "value": "90"}],
        ),
        "python may take 90 s for it (a.yaml:",
    ),
    "visible, and asks for more": (
        "D-79",
        taken(
            each("subprocess.run(cmd, timeout=300)", "sqs.change_message_visibility(VisibilityTimeout=60)").replace(
                "URL)\n  ", "URL, VisibilityTimeout=60)\n  "
            )
        ),
        "",
    ),
    "visible, of sqs-consumer": (
        "D-79",
        node(f"{SQS_CONSUMER}visibilityTimeout: 30, handleMessageTimeout: 5 * 60 * 1000, handleMessage }});\n"),
        "and node may take 300 s for it",
    ),
    "visible, of sqs-consumer that asks for more": (
        "D-79",
        node(f"{SQS_CONSUMER}visibilityTimeout: 30, heartbeatInterval: 10, handleMessageTimeout: 300_000 }});"),
        "",
    ),
    "a limit of its own, and the pod's": (
        "D-21",
        taken(each("subprocess.run(cmd, timeout=300)", DELETE)),
        "is killed after 90 s, and python may take 300 s to finish",
    ),
    # How many messages a program holds.
    "no prefetch": ("D-93", node(f"{AMQP}{CONSUME}"), "sends the whole queue to one pod"),
    "a prefetch": ("D-93", node(f"{AMQP}{PREFETCH}{CONSUME}"), ""),
    "no prefetch, with noAck": ("D-93", node(f'{AMQP}ch.consume("mail", send, {{ noAck: true }});\n'), ""),
    "no prefetch, of a channel that is not here": (
        "D-93",
        node(f'const amqp = require("amqplib");\nconst {{ ch }} = require("./channel");\n{CONSUME}'),
        "",
    ),
    "no prefetch, of pika": ("D-93", taken(consumed("send(body)").replace(QOS, "")), "sends the whole queue"),
    "a prefetch, of pika": ("D-93", taken(consumed("send(body)")), ""),
    "no prefetch, one by one": ("D-93", taken(f'{PIKA}{ON_TERM}channel.basic_get("mail")\n'), ""),
    # Clients of Node.js at their stop signal.
    "amqplib, no handler": (
        "D-19",
        node(f"{AMQP}{CONSUME}"),
        "take.js takes messages by amqplib and handles no SIGTERM",
    ),
    "amqplib, a handler that closes": (
        "D-19",
        node(
            f"{AMQP}{CONSUME}{on_term('async () => { await ch.close(); await connection.close(); process.exit(0); }')}"
        ),
        "closes its connection at SIGTERM and waits for nothing",
    ),
    "amqplib, a handler with a name": (
        "D-19",
        node(f"{AMQP}{CONSUME}const stop = async () => {{\nawait connection.close();\n}};\n{on_term('stop')}"),
        "closes its connection",
    ),
    "amqplib, a handler that calls one": (
        "D-19",
        node(f"{AMQP}{CONSUME}async function stop(s) {{\nawait ch.close();\n}}\n{on_term('() => stop(1)')}"),
        "closes its connection",
    ),
    "amqplib, a handler that cancels first": (
        "D-19",
        node(f"{AMQP}{CONSUME}{on_term('async () => { await ch.cancel(tag); await done; await ch.close(); }')}"),
        "",
    ),
    "amqplib, a handler that waits": (
        "D-19",
        node(f"{AMQP}{CONSUME}{on_term('async () => { await finishAll(); await ch.close(); }')}"),
        "",
    ),
    "sqs-consumer, a handler that leaves": (
        "D-19",
        node(f"{SQS_CONSUMER}handleMessage }});\n{on_term('() => { consumer.stop(); process.exit(0); }')}"),
        "ends the process at SIGTERM and waits for nothing",
    ),
    "sqs-consumer, a handler that hears it end": (
        "D-19",
        node(f"{SQS_CONSUMER}handleMessage }});\n{on_term('() => { consumer.on(STOPPED, leave); consumer.stop(); }')}"),
        "",
    ),
    "KafkaJS, no handler": ("D-19", node(KAFKA), "by KafkaJS and handles no SIGTERM"),
    "KafkaJS, a handler": (
        "D-19",
        node(f"{KAFKA}{on_term('async () => { await consumer.disconnect(); process.exit(0); }')}"),
        "",
    ),
    "KafkaJS, a producer": ("D-19", node(KAFKA.replace("consumer.run", "producer.send")), ""),
    "KafkaJS, a handler that leaves at once": ("D-19", node(f"{KAFKA}{on_term('() => process.exit(0)')}"), "ends the"),
    # What KafkaJS commits.
    **{
        f"KafkaJS, {body}": (
            "D-95",
            node(KAFKA.replace("handle", f"async ({{ message }}) => {{ {body} }}")),
            said,
        )
        for body, said in (
            ("apply(message).catch((e) => log(e));", "begins what handles a message and does not await it"),
            ("const event = parse(message);\napply(event).then(done);", "begins what handles a message"),
            ("await apply(message).catch((e) => log(e));", ""),
            ("return apply(message).then(done);", ""),
            ("await apply(message);", ""),
        )
    },
    # Nest's workers, which its hooks close.
    **{
        f"Nest with {hooks or 'nothing'}": (
            "D-16",
            {
                **taken(
                    "import './mail.processor';\nconst app = await NestFactory.create(App);\n" + hooks,
                    ["node", "dist/main.js"],
                    "src/main.ts",
                ),
                "src/mail.processor.ts": (
                    'import { Processor, WorkerHost } from "@nestjs/bullmq";\n@Processor("mail")\n'
                    "export class Mail extends WorkerHost {}\n"
                ),
            },
            said,
        )
        for hooks, said in (
            ("", "mail.processor.ts makes a worker and handles no SIGTERM"),
            ("app.enableShutdownHooks();", ""),
        )
    },
    # rq, by a program of one's own.
    "rq's worker in a program": (
        "D-21",
        {
            **taken('from rq import Worker\nWorker(["mail"], connection=redis).work()\n'),
            "jobs.py": "from rq.decorators import job\n@job('mail', connection=redis, timeout=1800)\ndef send(): ...\n",
        },
        "is killed after 90 s, and python may take 1800 s to finish",
    ),
    # A deadline below what the program waits for.
    "a Job's deadline": (
        "D-29",
        {
            "a.yaml": workload(RUN)
            .replace("kind: Deployment", "kind: Job")
            .replace("spec:", "spec:\n  activeDeadlineSeconds: 200", 1),
            "take.py": each("subprocess.run(cmd, timeout=300)", DELETE),
        },
        "ends each run after 200 s, and python may take 300 s for a message (take.py:",
    ),
    # arq.
    "arq, nothing": ("D-8a", arq(), "cancels the jobs in hand at its stop signal, and they begin anew"),
    "arq, one try": ("D-8a", arq(max_tries=1), "they have no other try, and are gone"),
    "arq, no retry": ("D-8a", arq(retry_jobs=False), "they have no other try, and are gone"),
    "arq, too short": (
        "D-8a",
        arq(job_completion_wait=20, job_timeout=60),
        "20 s after its stop signal (jobs/settings.py:7 allows 60 s)",
    ),
    "arq, long enough": ("D-8a", arq(job_completion_wait=320), ""),
    "arq, by a product": ("D-8a", arq(job_completion_wait=61, job_timeout=60), ""),
    "arq's wait, and the pod's": (
        "D-21",
        arq(job_completion_wait=900, job_timeout=900),
        "is killed after 400 s, and arq may take 900 s to finish",
    ),
    # BullMQ's stalled jobs.
    "maxStalledCount: 0": (
        "D-94",
        node('import { Worker } from "bullmq";\nnew Worker("mail", send, { maxStalledCount: 0 });\n'),
        "gives up a job whose worker was killed",
    ),
    "maxStalledCount: 3": (
        "D-94",
        node('import { Worker } from "bullmq";\nnew Worker("mail", send, { maxStalledCount: 3 });\n'),
        "",
    ),
    # What Celery's command says, and what only its run knows.
    **{
        f"concurrency in a script: {line}": (
            "D-89",
            {
                "a.yaml": workload(["/run.sh"], resources={"limits": {"memory": "512Mi"}}),
                "run.sh": f"#!/bin/sh\nexec celery -A {line}\n",
                **celery(task_acks_late=True, task_reject_on_worker_lost=True),
            },
            said,
        )
        for line, said in (
            ("shop worker \\\n  -l INFO", "starts a process for each CPU"),
            ("$APP worker -l $LEVEL", "starts a process for each CPU"),
            ('shop worker \\\n  --concurrency="${N:-4}"', ""),
            ("shop worker $OPTIONS", ""),
        )
    },
    "prefetch in the command": (
        "D-82",
        {
            "a.yaml": workload(["celery", "-A", "shop", "worker", "-c", "2", "--prefetch-multiplier=1"]),
            **celery(task_acks_late=True),
        },
        "",
    ),
    # How fast pods go.
    **{
        f"a window of {down}": (
            "D-5p",
            {
                "a.yaml": workload(["celery", "-A", "shop", "worker"]),
                "b.yaml": hpa(metrics=[OF_PODS], behavior=behavior),
            },
            said,
        )
        for down, said in (
            ((0, ()), "follows every dip of its metric down at once"),
            ((0, (100,)), "follows every dip of its metric down at once"),
            ((0, (10,)), ""),
            ((60, ()), ""),
        )
        for behavior in (
            {
                "scaleDown": {
                    "stabilizationWindowSeconds": down[0],
                    **(
                        {"policies": [{"type": "Percent", "value": one, "periodSeconds": 15} for one in down[1]]}
                        if down[1]
                        else {}
                    ),
                }
            },
        )
    },
    "KEDA's window": (
        "D-5p",
        {
            "a.yaml": workload(["celery", "-A", "shop", "worker"]),
            "b.yaml": keda(
                {"type": "redis", "metadata": {"listName": "celery"}},
                advanced={
                    "horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
                },
            ),
        },
        "follows every dip of its metric down at once",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_program_loses_is_said_and_what_stands_right_beside_it_is_not(case: str) -> None:
    said_of(*CASES[case])


def notes(files: dict[str, str]) -> str:
    report: Report = diagnose_files([File(*one) for one in files.items()])
    return "\n".join(note.text for note in report.notes)


def test_a_message_that_is_acknowledged_behind_the_work_is_repeated_and_not_lost() -> None:
    def levels(files: dict[str, str]) -> set[str]:
        return {one.level.value for one in diagnose_files([File(*each) for each in files.items()]).diagnoses}

    late = "subprocess.run(cmd, timeout=300)\nch.basic_ack(method.delivery_tag)"
    assert levels(taken(consumed(late))) == {"repeats"}
    assert levels(taken(consumed(late.replace("ch.basic_ack(", "partial(ch.basic_ack, ")))) == {"repeats"}
    assert levels(taken(consumed("subprocess.run(cmd, timeout=300)", ", auto_ack=True"))) == {"loses"}


def test_what_of_a_program_was_not_handed_over_is_named() -> None:
    text = "not handed over, ends what is in hand at its stop signal is not judged"
    assert f"whether .stop, {text}" in notes(
        taken(f"import app\nfrom .stop import on_stop\n{each('x(message)', more='')}")
    )
    assert f"whether ./stop, {text}" in notes(node(f'require("./stop");\n{AMQP}{PREFETCH}{CONSUME}'))
    assert text not in notes(taken(each("handle(message)", more="")))
    assert "whether .stop.on_stop" not in notes(taken(f"from .stop import on_stop\n{each('x(message)', more='')}"))


def test_a_program_that_nothing_is_seen_to_start_is_named() -> None:
    assert "takes messages; what starts it was not seen" in notes({"take.py": each("handle(message)")})
    assert "what starts it" not in notes(taken(each("handle(message)")))


def test_a_library_that_nobody_here_knows_is_named_where_it_takes_messages() -> None:
    takes = "from confluent_kafka import Consumer\nc = Consumer({})\n"
    assert "uses confluent_kafka; when a message is done" in notes(taken(takes))
    assert "uses confluent_kafka" not in notes(taken("from confluent_kafka import Producer\n"))


def test_a_part_of_celery_s_command_that_only_its_run_knows_is_said() -> None:
    script = "#!/bin/sh\nexec celery -A shop worker $OPTIONS\n"
    said = notes({"a.yaml": workload(["/run.sh"]), "run.sh": script, **celery(task_acks_late=True)})
    assert "how many processes it starts is not judged" in said
