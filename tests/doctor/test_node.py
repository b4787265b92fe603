"""Programs of Node.js: a message is done when it is handled, a worker is closed at its signal; else doctor says so."""

from __future__ import annotations

from typing import Final

import pytest
from tests.doctor.test_edges import Edge, said_of, workload

from ebbtide.doctor.diagnose import Report, diagnose, diagnose_files
from ebbtide.doctor.files import File
from ebbtide.doctor.readers.javascript import Source

AMQP = 'const amqp = require("amqplib");\n'
SQS = 'import { SQSClient, ReceiveMessageCommand, DeleteMessageCommand } from "@aws-sdk/client-sqs";\n'
BULL = 'import { Worker } from "bullmq";\n'
MADE = f'{BULL}const worker = new Worker("mail", send, {{ connection }});\n'
NO_ACK = "noAck: true: for RabbitMQ each is done when it is sent"
DELETES = "deletes a message from SQS before it handles it"
ACKS = "acknowledges a message before it handles it"
DELETE = "await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));"
RECEIVE = "const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));\n"


def sqs(body: str) -> str:
    return f"{SQS}async function poll() {{\n{RECEIVE}{body}\n}}\n"


def each(body: str) -> str:
    return sqs(f"for (const message of Messages ?? []) {{\n{body}\n}}")


def consumed(body: str, options: str = "") -> str:
    return f'{AMQP}channel.consume("mail", async (message) => {{\n{body}\n}}{options});\n'


DONE: Final[dict[str, tuple[str, str]]] = {
    # amqplib's automatic acknowledgement.
    "noAck": (consumed("await send(message);", ", { noAck: true }"), NO_ACK),
    "noAck of a name": (f"{AMQP}await channel.consume(QUEUE, handle, {{ noAck: !0 }});\n", NO_ACK),
    "noAck of a manager's": (
        'import { connect } from "amqp-connection-manager";\nawait c.consume("mail", handle, { noAck: true });\n',
        NO_ACK,
    ),
    "noAck of one that is got": (f'{AMQP}const one = await channel.get("mail", {{ noAck: true }});\n', NO_ACK),
    "noAck of Nest": (
        (
            'import { Transport } from "@nestjs/microservices";\n'
            "NestFactory.createMicroservice(App, {\n  transport: Transport.RMQ, options: { noAck: true } });\n"
        ),
        NO_ACK,
    ),
    "no noAck": (consumed("await send(message); channel.ack(message);"), ""),
    "noAck: false": (consumed("await send(message); channel.ack(message);", ", { noAck: false }"), ""),
    "noAck in a comment": (f'{AMQP}// noAck: true\nchannel.consume("mail", handle); /* noAck: true */\n', ""),
    "noAck in a text": (f'{AMQP}channel.consume("mail", handle); log("noAck: true");\n', ""),
    "noAck of another library": ("channel.consume('mail', handle, { noAck: true });\n", ""),
    "noAck of direct replies": (f'{AMQP}channel.consume("amq.rabbitmq.reply-to", take, {{ noAck: true }});\n', ""),
    "noAck of a queue without a name": (f'{AMQP}channel.consume("", take, {{ noAck: true }});\n', ""),
    "noAck of an exclusive queue": (
        (
            f'{AMQP}const q = await channel.assertQueue("", {{ exclusive: true }});\n'
            "channel.consume(q.queue, take, { noAck: true });\n"
        ),
        "",
    ),
    "noAck of replies that are kept": (
        f"{AMQP}this.replyQueue = q.queue;\nthis.channel.consume(this.replyQueue, take, {{ noAck: true }});\n",
        "",
    ),
    "noAck of a subscriber's own queue": (
        (
            f'{AMQP}const {{ queue }} = await channel.assertQueue("", {{ exclusive: true }});\n'
            "channel.consume(queue, take, { noAck: true });\n"
        ),
        "",
    ),
    # Acknowledged, and handled then.
    "ack first": (consumed("channel.ack(message);\nawait send(message.content);"), ACKS),
    "ack first, where one has come": (
        consumed("if (message !== null) {\nchannel.ack(message);\nawait send(message);\n}"),
        ACKS,
    ),
    "ack first, of what is made of it": (
        consumed("const body = JSON.parse(message.content);\nchannel.ack(message);\nawait send(body);"),
        ACKS,
    ),
    "ack last": (consumed("const body = JSON.parse(message.content);\nawait send(body);\nchannel.ack(message);"), ""),
    "ack behind a promise": (consumed("send(message).then(() => channel.ack(message));"), ""),
    "ack behind a promise, in a block": (consumed("send(message).then(() => { channel.ack(message); });"), ""),
    "ack of what nobody wants": (
        consumed(
            "if (isOld(message)) {\nchannel.ack(message);\nreturn;\n}\nawait send(message);\nchannel.ack(message);"
        ),
        "",
    ),
    "ack of what is known already": (
        consumed("if (seen.has(id)) {\nchannel.ack(message);\nreport(message);\nreturn;\n}\nawait send(message);"),
        "",
    ),
    "ack, and a line of the log": (consumed("await send(message);\nchannel.ack(message);\nlogger.info(message);"), ""),
    "ack, and nothing but the log": (consumed("channel.ack(message);\nconsole.log(message.content);"), ""),
    # Deleted, and handled then.
    "delete first": (each(f"{DELETE}\nawait handle(message);"), DELETES),
    "delete first, of what is made of it": (
        each(f"const {{ id }} = JSON.parse(message.Body);\n{DELETE}\nawait exportOf(id);"),
        DELETES,
    ),
    "delete first, by the old client": (
        (
            'const AWS = require("aws-sdk");\nasync function poll() {\nconst data = await sqs.receiveMessage(p);\n'
            "const message = data.Messages[0];\n"
            "await sqs.deleteMessage({ QueueUrl, ReceiptHandle: message.ReceiptHandle });\nawait handle(message);\n}\n"
        ),
        DELETES,
    ),
    "delete all first": (
        sqs(
            "await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: Messages.map((m) => "
            "({ Id: m.MessageId, ReceiptHandle: m.ReceiptHandle })) }));\n"
            "await Promise.all(Messages.map(handle));"
        ),
        DELETES,
    ),
    "delete in a loop of its own": (
        sqs(
            f"for (const message of Messages) {{\n{DELETE}\n}}\n"
            "for (const message of Messages) {\nawait handle(message);\n}"
        ),
        DELETES,
    ),
    "delete last": (each(f"await handle(message);\n{DELETE}"), ""),
    "a command that is made and sent last": (
        each(
            "const done = new DeleteMessageCommand({ ReceiptHandle: message.ReceiptHandle });\n"
            "await handle(message);\nawait sqs.send(done);"
        ),
        "",
    ),
    "a command behind what is handled": (
        each(
            "await handle(message);\nconst done = new DeleteMessageCommand({ ReceiptHandle: message.ReceiptHandle });\n"
            "await sqs.send(done);"
        ),
        "",
    ),
    "a command that is sent alone": (
        each("const done = new DeleteMessageCommand({ ReceiptHandle: message.ReceiptHandle });\nawait sqs.send(done);"),
        "",
    ),
    "a command that is sent first": (
        each(
            "const done = new DeleteMessageCommand({ ReceiptHandle: message.ReceiptHandle });\n"
            "await sqs.send(done);\nawait handle(message);"
        ),
        DELETES,
    ),
    "a helper that deletes": (
        each("await this.deleteMessage(url, message.ReceiptHandle);\nawait handle(message);"),
        DELETES,
    ),
    "delete last, in a try": (
        each(f"try {{\nawait handle(JSON.parse(message.Body));\n{DELETE}\n}} catch (e) {{}}"),
        "",
    ),
    "delete first, where it is asked what it is": (
        each(f"if (!isOurs(message) || old(message)) continue;\n{DELETE}\nawait handle(message);"),
        DELETES,
    ),
    "delete where handling said so": (each(f"if (await handle(message)) {{\n{DELETE}\n}}"), ""),
    "ack by a function that somebody calls": (f"{AMQP}const done = (message) => {{ channel.ack(message); }};\n", ""),
    "delete where it went well": (each(f"const ok = await handle(message);\nif (ok) {{\n{DELETE}\n}}"), ""),
    "delete what nobody wants": (
        each(f"if (!isOurs(message)) {{\n{DELETE}\ncontinue;\n}}\nawait handle(message);"),
        "",
    ),
    "delete all last": (
        sqs(
            "await Promise.all(Messages.map(handle));\nawait sqs.send(new DeleteMessageBatchCommand({ Entries: "
            "Messages.map((m) => ({ Id: m.MessageId, ReceiptHandle: m.ReceiptHandle })) }));"
        ),
        "",
    ),
    "delete without a pattern's sign": (each(f"await handle(message.Body.replace(/[`'\"{{]/g, ''));\n{DELETE}"), ""),
    "delete by who does not receive": (
        f"{SQS.replace('ReceiveMessageCommand, ', '')}{DELETE}\nawait handle(message);\n",
        "",
    ),
}
NOT_STARTED = "what starts it was not seen, and whether it ends them at its stop signal is not judged"
OPEN: Final = {
    "noAck of replies that are kept": "whether of a queue of messages or of replies",
    "noAck of a subscriber's own queue": "whether of a queue of messages or of replies",
    "a command that is sent alone": "whether it has handled it by then",
    "noAck of an exclusive queue": "whether of a queue of messages or of replies",
    "noAck of direct replies": "whether of a queue of messages or of replies",
    "noAck of a queue without a name": "whether of a queue of messages or of replies",
    "delete what nobody wants": "whether it has handled it by then",
}


@pytest.mark.parametrize("case", DONE)
def test_a_message_that_is_done_before_it_is_handled_is_found_in_javascript(case: str) -> None:
    code, said = DONE[case]
    said_of("D-92", {"worker.js": code}, said)


@pytest.mark.parametrize("case", DONE)
def test_whether_a_message_was_handled_before_it_was_done_is_not_judged_where_that_is_not_seen(case: str) -> None:
    notes = " ".join(note.text for note in diagnose_files([File("worker.js", DONE[case][0])]).notes)
    assert OPEN.get(case, "") in notes
    assert case in OPEN or "is not judged" not in notes.replace(NOT_STARTED, "")


def closed(*lines: str) -> str:
    return MADE + "".join(f"{line}\n" for line in lines)


ON_TERM = 'process.on("SIGTERM", async () => { await worker.close(); process.exit(0); });'
CLOSED: Final[dict[str, Edge]] = {
    words: ("D-16", {"a.yaml": workload(command), **files}, said)
    for words, command, files, said in (
        ("no handler", ["node", "worker.js"], {"worker.js": MADE}, "makes a worker and handles no SIGTERM"),
        ("no handler, in TypeScript", ["tsx", "src/w.ts"], {"src/w.ts": MADE.replace("(", "<Job>(", 1)}, "no SIGTERM"),
        ("no handler, built", ["node", "dist/worker.js"], {"src/worker.ts": MADE}, "handles no SIGTERM"),
        ("a handler", ["node", "worker.js"], {"worker.js": closed(ON_TERM)}, ""),
        ("a handler in a comment", ["node", "worker.js"], {"worker.js": closed(f"// {ON_TERM}")}, "handles no SIGTERM"),
        (
            "a handler of another signal",
            ["node", "worker.js"],
            {"worker.js": closed(ON_TERM.replace("TERM", "INT"))},
            "handles no SIGTERM",
        ),
        (
            "a handler of several",
            ["node", "worker.js"],
            {"worker.js": closed('for (const s of ["SIGINT", "SIGTERM"]) process.once(s, () => worker.close());')},
            "",
        ),
        (
            "a handler that ends at once",
            ["node", "worker.js"],
            {"worker.js": closed('process.on("SIGTERM", () => process.exit(0));')},
            "makes a worker and closes no worker",
        ),
        (
            "a handler that does not wait",
            ["node", "worker.js"],
            {"worker.js": closed('process.on("SIGTERM", () => { worker.close(); process.exit(0); });')},
            "ends the process right behind close(), which it does not await",
        ),
        (
            "a handler by force",
            ["node", "worker.js"],
            {"worker.js": closed('process.on("SIGTERM", async () => { await worker.close(true); });')},
            "closes its worker by force",
        ),
        (
            "a handler by force, of a worker with a name of its own",
            ["node", "worker.js"],
            {
                "worker.js": closed('process.on("SIGTERM", async () => { await worker.close(true); });').replace(
                    "worker", "mail"
                )
            },
            "closes its worker by force",
        ),
        (
            "a handler that closes a database by force",
            ["node", "worker.js"],
            {"worker.js": closed(ON_TERM.replace("process.exit", "await db.connection.close(true); process.exit"))},
            "",
        ),
        (
            "a handler that waits for its worker, and not for its server",
            ["node", "worker.js"],
            {"worker.js": closed(ON_TERM.replace("process.exit", "server.close(); process.exit"))},
            "",
        ),
        (
            "a handler where it starts",
            ["node", "index.js"],
            {
                "index.js": f'import {{ worker }} from "./src/worker.js";\n{ON_TERM}\n',
                "src/worker.ts": f"export {MADE.splitlines()[1]}\n{BULL}",
            },
            "",
        ),
        (
            "no handler where it starts",
            ["node", "index.js"],
            {"index.js": 'import "./worker.js";\n', "worker.js": MADE},
            "worker.js makes a worker and handles no SIGTERM",
        ),
        (
            "a part that is not there",
            ["node", "worker.js"],
            {"worker.js": f'import "./stop.js";\n{MADE}'},
            "",
        ),
        (
            "a package for it",
            ["node", "worker.js"],
            {"worker.js": f'import gracefulShutdown from "http-graceful-shutdown";\n{MADE}'},
            "",
        ),
        ("a queue alone", ["node", "worker.js"], {"worker.js": MADE.replace("Worker", "Queue")}, ""),
        (
            "a thread",
            ["node", "worker.js"],
            {"worker.js": 'import { Worker } from "worker_threads";\nnew Worker("./a.js");\n'},
            "",
        ),
        (
            "Bull",
            ["node", "worker.js"],
            {"worker.js": 'const Queue = require("bull");\nnew Queue("mail").process(3, send);\n'},
            "handles no SIGTERM",
        ),
        (
            "another name",
            ["node", "worker.js"],
            {"worker.js": 'import { Worker as Jobs } from "bullmq";\nnew Jobs("mail", send);\n'},
            "handles no SIGTERM",
        ),
        (
            "pnpm's script",
            ["pnpm", "run", "jobs"],
            {"package.json": '{"scripts": {"jobs": "node -r dotenv/config worker"}}', "worker.js": MADE},
            "handles no SIGTERM",
        ),
        (
            "what runs something else",
            ["node", "server.js"],
            {"worker.js": MADE, "server.js": 'import http from "http";\n'},
            "",
        ),
    )
}


@pytest.mark.parametrize("case", CLOSED)
def test_a_worker_of_bullmq_that_is_not_closed_at_its_signal_is_found_and_one_that_is_is_left_alone(case: str) -> None:
    said_of(*CLOSED[case])


def report(**files: str) -> Report:
    return diagnose_files([File(name.replace("_", "."), text) for name, text in files.items()])


def said(found: Report) -> str:
    return "\n".join(f"{note.place.file}: {note.text}" for note in found.notes)


def test_what_of_a_program_was_not_handed_over_is_named() -> None:
    notes = said(report(a_yaml=workload(["node", "worker.js"]), worker_js=f'import "./stop.js";\n{MADE}'))
    assert "whether ./stop.js, not handed over, closes the worker at its stop signal is not judged" in notes
    whole = said(report(a_yaml=workload(["node", "w.js"]), w_js=f'import "./x.js";\n{closed(ON_TERM)}'))
    assert "not handed over" not in whole


def test_a_worker_that_nothing_is_seen_to_start_is_named() -> None:
    assert "worker.js: takes messages; what starts it was not seen" in said(report(worker_js=MADE))
    assert "worker.js: takes messages; what starts it was not seen" in said(report(worker_js=consumed("send(m);")))
    assert "what starts it" not in said(report(a_yaml=workload(["node", "worker.js"]), worker_js=MADE))


def test_a_library_that_nobody_here_knows_is_named() -> None:
    notes = said(report(a_yaml=workload(["node", "w.js"]), w_js='import { Kafka } from "kafkajs";\n'))
    assert "w.js: uses kafkajs; when a message is done for that is not known here, and not judged" in notes


def test_a_deployment_is_a_worker_where_its_program_takes_messages() -> None:
    plain = workload(["node", "index.js"]).replace("name: jobs", "name: web")
    assert report(a_yaml=plain, index_js=consumed("send(message);")).seen == ("Deployment web: node",)
    assert report(a_yaml=plain, index_js='import http from "http";\n').seen == ()


def test_a_bundle_is_named_and_not_read() -> None:
    notes = said(report(a_yaml=workload(["node", "w.js"]), w_js=f"{MADE}//{'x' * 2**20}\n"))
    assert "w.js: is a bundle of over a million characters, and was not read" in notes


def test_a_test_of_the_team_s_is_no_worker(tmp_path) -> None:
    (tmp_path / "worker.test.js").write_text(MADE + consumed("send(message);", ", { noAck: true }"))
    assert diagnose([str(tmp_path)]).diagnoses == ()


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("a = 'x // y'; // z", "a = '      ';     "),
        ("a = `${b} {`; c", "a = `      `; c"),
        ("a = b / c / d", "a = b / c / d"),
        ("a = /['\"]/g; b('x')", "a = /    /g; b(' ')".replace("/    /g", "/     g")),
        ("a = 'never closed\nb", "a = '           d\nb"),
        ("/* a\n * b */ c", "    \n        c"),
        ('x = "it\'s"', 'x = "    "'),
    ],
)
def test_what_stands_in_texts_and_comments_is_no_code(text: str, bare: str) -> None:
    assert Source(text).bare == bare


@pytest.mark.parametrize("text", ["'" * 9, "`" * 9, "/*", "/", "\\`" * 3000, '\\"' * 3000, "((((" * 999, "/a" * 3000])
def test_whatever_a_text_holds_its_code_is_as_long(text: str) -> None:
    source = Source(text)
    assert len(source.code) == len(source.bare) == len(text)
    assert list(source.around(len(text) // 2)) is not None
