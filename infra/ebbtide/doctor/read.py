"""Each file to its reader. A file that nobody knows is said only if it was named: a directory holds much else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from ebbtide.doctor.data import UNKNOWN, Map, Said, Seq
from ebbtide.doctor.diagnosis import Note
from ebbtide.doctor.files import CODE_OF_NODE, File
from ebbtide.doctor.readers import (
    arq,
    clients,
    compose,
    dotenv,
    image_config,
    kubernetes,
    messenger,
    node,
    python,
    queues,
    scripts,
    sqs,
    supervisor,
    yaml,
)
from ebbtide.doctor.readers.dockerfile import read_dockerfile
from ebbtide.doctor.readers.programs import own_signals
from ebbtide.doctor.setup import SetUp

# Before `{{` may stand a quote, and behind it a function: `{{- include "x" . | nindent 4 }}`.
_TEMPLATE: Final = re.compile(r"\{\{-?\s*(?:\.|\$|include\b|template\b|toYaml\b|if\b|with\b|range\b|end\b|define\b)")
_ABOUT_PODS: Final = re.compile(r"(?m)^(?:apiVersion|kind|services):|^\s*\{?\s*\"apiVersion\"\s*:")
_TAB: Final = re.compile(r"(?m)^ *\t")
_OF_QUEUES: Final = re.compile(
    r"(?i)\b(?:celery|dramatiq|rq_queues|django_rq|pika|aio_pika|kombu|arq)\b|\btask_acks_late"
)
_TAB_WIDTHS: Final = (4, 8, 2)
# Symfony's own two ways to write it: a FrameworkConfig, or the extension's array.
_SYMFONY_IN_PHP: Final = re.compile(
    r"FrameworkConfig\b[\s\S]*->messenger\(|extension\(\s*['\"]framework['\"][\s\S]*['\"]messenger['\"]"
)
# routes/console.php, and the Kernel of older versions.
_LARAVEL_SCHEDULE: Final = re.compile(
    r"\bSchedule::(?:job|command|call|exec)\(|\$schedule->(?:job|command|call|exec)\("
)
# Of Gemfile.lock: what is resolved stands four blanks in, what it needs six.
_GEM: Final = re.compile(r"(?m)^ {4}(?P<name>[\w.-]+) \((?P<version>[0-9][\w.]*)[^)]*\)$")
# Code and prose that may speak of such files: `dockerfile.py`, a test with a supervisord.conf in it.
_OTHER_SUFFIXES: Final = (".py", ".php", ".js", ".ts", ".go", ".md", ".rst", ".sh", ".bash", ".dockerignore")


def read_all(files: Iterable[File], notes: Iterable[Note] = ()) -> SetUp:
    """Read every file. What one of them holds wrong never keeps the others from being read."""
    found = SetUp(notes=list(notes))
    unread: list[File] = []
    for file in files:
        reader = next((read for is_mine, read in _READERS if is_mine(file)), None)
        if reader is not None and reader(file, found):
            found.read.append(file.name)
        elif file.is_named and not any(note.place.file == file.name for note in found.notes):
            unread.append(file)
    parts = node.parts_of_takers(found.node) if unread else set[str]()
    found.notes += [Note(file.at(), "is nothing that doctor reads") for file in unread if file.name not in parts]
    found.sqs += [queue for one in found.objects if (queue := sqs.queue_of_object(one)) is not None]
    found.transports = list(messenger.transports_of(found.messenger))
    return found


def _is_dockerfile(file: File) -> bool:
    name = file.base.lower()
    if name.endswith(_OTHER_SUFFIXES):
        return False
    return name.startswith(("dockerfile", "containerfile")) or name.endswith((".dockerfile", ".containerfile"))


def _is_supervisor(file: File) -> bool:
    return not file.base.lower().endswith(_OTHER_SUFFIXES) and supervisor.looks_like_supervisor(file)


def _dockerfile(file: File, found: SetUp) -> bool:
    image = read_dockerfile(file)
    if image is None:
        found.notes.append(Note(file.at(), "has no FROM: no image can be built of it, and it was not judged"))
    else:
        found.images.append(image)
        for inside in image.inline.values():
            if supervisor.looks_like_supervisor(inside):
                _supervisor(inside, found)
    return True


def _supervisor(file: File, found: SetUp) -> bool:
    one = supervisor.read_supervisor(file)
    found.supervisors.append(one)
    found.notes += [Note(place, text) for place, text in one.faults]
    return True


def _redis(file: File, found: SetUp) -> bool:
    found.redis.append(file)
    return True


def _rabbitmq(file: File, found: SetUp) -> bool:
    found.rabbitmq.append(file)
    return True


def _dotenv(file: File, found: SetUp) -> bool:
    found.dotenv[file.name] = dotenv.read_dotenv(file)
    return True


def _s6_kill(file: File, found: SetUp) -> bool:
    if file.text.strip().isdecimal():
        found.s6_kills[file.name] = Said(int(file.text), file.at())
    else:
        found.notes.append(Note(file.at(), "holds no number of milliseconds, and was not judged"))
    return True


def _gems(file: File, found: SetUp) -> bool:
    for one in _GEM.finditer(file.text):
        found.gems[one["name"]] = Said(one["version"], file.at_character(one.start()))
    return bool(found.gems)


def _script(file: File, found: SetUp) -> bool:
    found.scripts.append(file)
    return True


def _client(file: File, found: SetUp) -> bool:
    program = clients.read_client(file)
    if program is not None:
        found.clients[file.name] = program
    return program is not None


def _php(file: File, found: SetUp) -> bool:
    is_client = _client(file, found)
    if own_signals(file):
        found.programs.append(file)
        return True
    if is_client:
        return True
    if _SYMFONY_IN_PHP.search(file.text):
        return _not_yaml(file, found, "PHP")
    if _LARAVEL_SCHEDULE.search(file.text):
        found.schedules.append(file)
        return True
    if not file.is_named and not re.search(r"['\"](?:connections|environments)['\"]", file.text):
        return False
    connections, horizon = queues.read_laravel(file)
    found.connections += connections
    found.horizon += horizon
    is_lost = not connections and not horizon and file.base in ("queue.php", "horizon.php")
    if is_lost:
        found.unreadable.append(file)
        found.notes.append(Note(file.at(), "returns no array of queues that can be read, and was not judged"))
    return bool(connections or horizon or is_lost)


def _xml(file: File, found: SetUp) -> bool:
    return "<framework:messenger" in file.text and _not_yaml(file, found, "XML")


def _not_yaml(file: File, found: SetUp, language: str) -> bool:
    text = f"configures Messenger in {language}, which is not read; hand the same over as YAML"
    found.notes.append(Note(file.at(), text))
    return True


def _python(file: File, found: SetUp) -> bool:
    if _OF_QUEUES.search(file.text) and (line := queues.wrong_line(file)) is not None:
        found.unreadable.append(file)
        found.notes.append(Note(file.at(line), "is no Python that can be read from here on, and was not judged"))
        return True
    settings = queues.read_celery(file)
    if settings is not None:
        found.celery.append(settings)
    limits = queues.read_rq(file)
    for queue, said in limits.items():
        other = found.rq.get(queue, said)
        # Of settings for several places nobody says which one is used.
        found.rq[queue] = said if said.value == other.value else Said(UNKNOWN, said.place)
    in_code = list(queues.read_task_limits(file))
    found.task_limits += in_code
    if own_signals(file):
        found.programs.append(file)
    of_arq = list(arq.read_arq(file))
    found.arq += of_arq
    program = found.python[file.name] = python.PythonProgram(file)
    if program.others:
        text = f"uses {', '.join(program.others)}; when a message is done for that is not known here, and not judged"
        found.notes.append(Note(file.at(), text))
    takes = program.names_a_queue and program.takes
    return settings is not None or bool(
        limits or in_code or of_arq or takes or program.others or file in found.programs
    )


def _node(file: File, found: SetUp) -> bool:
    program = node.read_node(file)
    if program is None:
        return False
    found.node[file.name] = program
    if len(file.text) > node.MOST_CHARACTERS:
        del found.node[file.name]
        if file.is_named:
            text = "is a bundle of over a million characters, and was not read; hand over its source"
            found.notes.append(Note(file.at(), text))
        return file.is_named
    if not program.names_a_queue:
        return False
    if program.others:
        text = f"uses {', '.join(program.others)}; when a message is done for that is not known here, and not judged"
        found.notes.append(Note(file.at(), text))
    found.notes += [Note(file.at(one.line), f"{one.text}, is not judged") for one in program.early if not one.is_judged]
    return bool(program.consumes or program.early or program.others)


def _yaml(file: File, found: SetUp) -> bool:
    # Texts for people have such signs too: `{{#if}}` of a web page's messages.json.
    may_be_template = file.is_named or not file.base.endswith(".json")
    if may_be_template and (template := _TEMPLATE.search(file.text)) is not None:
        found.notes.append(
            Note(
                file.at_character(template.start()),
                "is a template, which is not rendered here; hand over `helm template ... | ebbtide doctor -`",
            )
        )
        return True
    if file.base in ("kustomization.yaml", "kustomization.yml", "Kustomization"):
        found.overlays.append(file)
        found.notes.append(
            Note(
                file.at(),
                "is an overlay, which is not built here; hand over `kubectl kustomize DIR | ebbtide doctor -`",
            )
        )
        return True
    is_known = False
    try:
        for document in _documents(file, found):
            is_known |= _document(document, file, found)
    except yaml.NotYamlError as error:
        # Of JSON a directory holds much that is none (comments), and that is about nothing here.
        is_config = file.base.lower().endswith((".yaml", ".yml")) or file.base == "package.json"
        is_said = is_config or (file.is_named and _is_yaml(file) and file.base != "<stdin>")
        if is_said or is_known or _ABOUT_PODS.search(file.text):
            found.unreadable.append(file)
            found.notes.append(Note(file.at(error.line), f"is no YAML from here on, and was not read: {error}"))
            return True
    return is_known


def _documents(file: File, found: SetUp) -> Iterable[Any]:
    """The documents; those of a text with tabs as if they were blanks, which is said."""
    tab = _TAB.search(file.text)
    if tab is None:
        return yaml.documents(file.text)
    try:
        return list(yaml.documents(file.text))
    except yaml.NotYamlError:
        for width in _TAB_WIDTHS:
            try:
                documents = list(yaml.documents(file.text.expandtabs(width)))
            except yaml.NotYamlError:
                continue
            found.indented_by_tabs.append(file.at_character(tab.start()))
            return documents
        raise


def _document(document: Any, file: File, found: SetUp) -> bool:
    if objects := list(kubernetes.objects_of(document, file.name)):
        found.objects += objects
        found.workloads += [one for one in map(kubernetes.workload_of, objects) if one is not None]
        found.notes += [note for one in objects for note in kubernetes.not_read(one)]
        return True
    if isinstance(document, Map) and compose.is_compose(document):
        found.workloads += compose.services_of(document, file.name)
        found.notes += compose.not_read(document, file.name)
    elif no_object := list(kubernetes.no_object(document, file.name)):
        found.notes += no_object
    elif isinstance(document, (Map, Seq)) and image_config.is_inspection(document):
        found.images += image_config.images_of(document, file.name)
    elif parts := list(messenger.parts_of(document, file.name)):
        found.messenger += parts
    elif file.base == "package.json" and isinstance(document, Map):
        by_name = document.map("scripts")
        said = {name: Said(by_name.text(name), file.at(by_name.line_of(name))) for name in by_name}
        found.npm_scripts |= {name: one for name, one in said.items() if one.value}
        found.npm_packages |= set(document.map("dependencies"))
    elif templated := list(sqs.queues_of_template(document, file.name)):
        found.sqs += templated
    elif (sidekiq := queues.sidekiq_of(document, file.name)) is not None:
        found.sidekiq.append(sidekiq)
    else:
        return False
    return True


def _is_yaml(file: File) -> bool:
    name = file.base.lower()
    return name.endswith((".yaml", ".yml", ".json", ".tpl")) or name in ("<stdin>", "kustomization")


# In this order: a run file of s6 has no ending, and a shell's first line.
_READERS: Final[tuple[tuple[Callable[[File], bool], Callable[[File, SetUp], bool]], ...]] = (
    (_is_dockerfile, _dockerfile),
    (_is_yaml, _yaml),
    (lambda file: file.base.lower() in ("redis.conf", "valkey.conf"), _redis),
    (lambda file: file.base.lower() == "rabbitmq.conf", _rabbitmq),
    (lambda file: file.base in dotenv.NAMES, _dotenv),
    (lambda file: file.base == "Gemfile.lock", _gems),
    (lambda file: file.base == "timeout-kill", _s6_kill),
    (scripts.looks_like_script, _script),
    (_is_supervisor, _supervisor),
    (lambda file: file.base.lower().endswith(".php"), _php),
    (lambda file: file.base.lower().endswith((".go", ".rb")), _client),
    (lambda file: file.base.lower().endswith(".xml"), _xml),
    (lambda file: file.base.lower().endswith(".py"), _python),
    (lambda file: file.base.lower().endswith(CODE_OF_NODE), _node),
    (lambda file: file.is_named, _yaml),
)
