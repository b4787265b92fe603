"""What files say is read as the programs read them that they are written for."""

from __future__ import annotations

import json

import pytest
import yaml as pyyaml
from kubernetes_validate.utils import all_versions, major_minor
from tests.cli.conftest import ROOT
from tests.kubernetes_schema import _read

from ebbtide.doctor.data import UNKNOWN
from ebbtide.doctor.files import File
from ebbtide.doctor.read import read_all
from ebbtide.doctor.readers import php, scripts
from ebbtide.doctor.readers.dockerfile import read_dockerfile
from ebbtide.doctor.readers.image_config import images_of
from ebbtide.doctor.readers.queues import read_celery, read_laravel
from ebbtide.doctor.readers.supervisor import read_supervisor
from ebbtide.doctor.readers.yaml import NotYamlError, documents
from ebbtide.doctor.rules.fields import FIELDS, KEDA_FIELDS

# --- supervisord.conf ----------------------------------------------------------------------------------------------

CONFIGURATIONS = {
    "defaults": "[supervisord]\n[program:a]\ncommand=/bin/true\n",
    "all": """\
[supervisord]
nodaemon=true
[program:mail]
command=/usr/bin/php /srv/bin/console messenger:consume mail   ; a comment
process_name=%(program_name)s_%(process_num)02d
numprocs=3
autorestart=unexpected
exitcodes=0,37
startsecs=0
startretries=7
stopsignal=QUIT
stopwaitsecs=45
stopasgroup=true
killasgroup=true
""",
    "twice": "[supervisord]\n[program:a]\ncommand=/bin/true\nstopwaitsecs=5\n[program:a]\nstopwaitsecs=9\n",
    "comments": """\
; top
[supervisord] ; x
# y
[program:a]
;stopwaitsecs=3
command = /bin/true --x=1 # z
stopwaitsecs : 8
""",
    "continued": "[supervisord]\n[program:a]\ncommand=/bin/sh\n  -c\n  true\nexitcodes=0,\n 2\n",
    "words": "[supervisord]\n[program:a]\ncommand=/bin/true\nautorestart=TRUE\nstopasgroup=On\n",
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_supervisord_conf_says_what_supervisor_s_own_parser_says(name, tmp_path, monkeypatch):
    from supervisor.options import ServerOptions

    path = tmp_path / "supervisord.conf"
    path.write_text(CONFIGURATIONS[name])
    options = ServerOptions()
    options.realize(["-c", str(path)])
    theirs = {group.name: group.process_configs for group in options.process_group_configs}
    ours = {program.name: program for program in read_supervisor(File(str(path), path.read_text())).programs}
    assert set(ours) == set(theirs)
    for program, processes in theirs.items():
        mine, first = ours[program], processes[0]
        assert mine.processes == len(processes)
        assert " ".join(mine.command.value.split()) == " ".join(first.command.split())
        assert mine.number("stopwaitsecs", 10) == first.stopwaitsecs
        assert mine.number("startsecs", 1) == first.startsecs
        assert mine.number("startretries", 3) == first.startretries
        assert sorted(mine.exit_codes) == sorted(first.exitcodes)
        assert mine.switch("stopasgroup", default=False) == first.stopasgroup


def test_a_variable_that_only_the_container_has_is_not_known_and_no_variable_of_ours_is_shown(monkeypatch):
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    text = "[program:a]\ncommand=worker\nnumprocs=%(ENV_WORKERS)s\nstopwaitsecs=%(ENV_SECRET_OF_OURS)s\n"
    (program,) = read_supervisor(File("supervisord.conf", text)).programs
    assert program.processes is UNKNOWN
    assert program.number("stopwaitsecs", 10) is UNKNOWN


def test_options_keep_their_lines():
    one = read_supervisor(File("s.conf", CONFIGURATIONS["all"])).programs[0]
    assert (one.place.line, one.line_of("stopwaitsecs").line, one.line_of("umask").line) == (3, 12, 3)


# --- Dockerfile ----------------------------------------------------------------------------------------------------


def image(text: str):
    return read_dockerfile(File("Dockerfile", text))


def test_a_heredoc_s_text_is_no_instruction():
    heredocs = 'RUN <<EOF\nCMD ["not", "this"]\nEOF\nCOPY <<"SH" /run.sh\n#!/bin/sh\nexec worker\nSH\n'
    one = image(f'FROM a\n{heredocs}CMD ["/run.sh"]\n')
    assert one.cmd.words == ("/run.sh",)
    assert one.inline["/run.sh"].text == "#!/bin/sh\nexec worker\n"


@pytest.mark.parametrize(
    ("instruction", "words", "is_shell"),
    [
        ('CMD ["a", "b c"]', ("a", "b c"), False),
        ("CMD a b", ("/bin/sh", "-c", "a b"), True),
        ("CMD ['a', 'b']", ("/bin/sh", "-c", "['a', 'b']"), True),
        ('CMD ["a",\\\n  # why\n  "b"]', ("a", "b"), False),
        ('SHELL ["/bin/bash", "-c"]\nCMD a', ("/bin/bash", "-c", "a"), True),
    ],
)
def test_exec_form_is_what_is_json_and_all_else_is_a_shell_s_text(instruction, words, is_shell):
    one = image(f"FROM x\n{instruction}\n")
    assert (one.cmd.words, one.cmd.is_shell) == (words, is_shell)


def test_the_last_stage_decides_and_keeps_what_it_is_built_on():
    one = image(
        "ARG V=8.3\nFROM php:${V}-fpm AS base\nWORKDIR /srv\nSTOPSIGNAL SIGTERM\nFROM node AS js\nFROM base\nCMD x\n"
    )
    assert (one.base.value, one.workdir, one.stop_signal.value, one.place.line) == ("php:8.3-fpm", "/srv", "TERM", 6)


def test_a_new_entrypoint_drops_the_command_of_the_base():
    assert image('FROM a AS b\nCMD ["old"]\nFROM b\nENTRYPOINT ["new"]\n').cmd is None


@pytest.mark.parametrize(
    ("copies", "holds"),
    [
        ("COPY hook.sh /hook.sh", True),
        ("COPY a.sh hook.sh /", True),
        ("COPY --chown=1:1 hook.sh /", True),
        ('COPY ["hook.sh", "/"]', True),
        ("COPY a.sh /a.sh", False),
        ("COPY . /", None),
        ("COPY --from=build /out/ /", None),
        ("RUN curl -o /hook.sh https://example.org", None),
    ],
)
def test_whether_a_file_is_in_the_image_is_said_only_where_it_is_known(copies, holds):
    assert image(f"FROM x\n{copies}\n").holds("/hook.sh") is holds


def test_docker_inspect_tells_what_a_base_brings():
    config = {
        "Entrypoint": ["/entry"],
        "Cmd": ["worker"],
        "StopSignal": "SIGQUIT",
        "WorkingDir": "/srv",
        "Env": ["A=1"],
    }
    (document,) = documents(json.dumps([{"RepoTags": ["shop:1"], "Config": config}]))
    (one,) = images_of(document, "image.json")
    assert (one.entrypoint.words, one.cmd.words, one.stop_signal.value, one.names) == (
        ("/entry",), ("worker",), "QUIT", ("shop:1",)
    )  # fmt: skip


# --- YAML ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: [x, 2, 2.5, true, null, ~, '1']\n",
        "base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\nagain: *b\n",
        "--- \na: |\n  text\n  more\n---\n- 1\n- {b: c}\n",
        "a: !!str 5\nb: 0.490m\nc: 1_000\nd: -3\n",
    ],
)
def test_yaml_says_what_pyyaml_says(text):
    assert list(documents(text)) == list(pyyaml.safe_load_all(text))


def test_values_keep_their_lines():
    (one,) = documents("spec:\n  a: 1\n\n  list:\n    - x: 1\n    - x: 2\n")
    assert (one.map("spec").line_of("a"), one.items_of("spec", "list")[1].line_of("x")) == (2, 6)


def test_a_merge_of_what_is_no_mapping_merges_nothing():
    assert list(documents("own:\n  <<: 5\n  a: 1\nother: {<<: [x, {b: 2}]}\n")) == [
        {"own": {"a": 1}, "other": {"b": 2}}
    ]


@pytest.mark.parametrize("text", ["[" * 100_000, "a: [", "a: 1\n\tb: 2\n", "a: \x01\n", "? " * 5000])
def test_no_yaml_ends_the_process(text):
    with pytest.raises(NotYamlError):
        list(documents(text))


def test_aliases_that_grow_cost_no_more_than_their_text():
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    assert len(next(iter(documents("\n".join(lines))))) == 40


def test_a_tag_of_somebody_else_is_not_guessed():
    assert next(iter(documents("a: !Ref Name\n"))) == {"a": UNKNOWN}


# --- PHP, Python ---------------------------------------------------------------------------------------------------


def test_php_s_literals_are_read_and_expressions_are_not_guessed():
    entries = "'a' => 60 * 5, 'b' => (int) env('B', 9), 'c' => env('C'), 'd' => f(1), 'e' => [1, 'x'], 'g' => -1"
    data = php.returned(f"<?php return [{entries}];")
    assert data == {"a": 300, "b": 9, "c": UNKNOWN, "d": UNKNOWN, "e": [1, "x"], "g": -1}


def test_a_horizon_environment_overrides_the_defaults():
    text = """<?php return [
      'defaults' => ['mail' => ['timeout' => 60, 'connection' => 'redis']],
      'environments' => ['production' => ['mail' => ['timeout' => 300]], 'local' => ['mail' => ['maxProcesses' => 1]]],
    ];"""
    _, supervisors = read_laravel(File("horizon.php", text))
    assert {one.name: one.data["timeout"] for one in supervisors} == {"mail in production": 300, "mail in local": 60}


@pytest.mark.parametrize(
    "text",
    [
        "# celery\nCELERY_TASK_ACKS_LATE = True\n",
        "from celery import Celery\napp = Celery('x')\napp.conf.task_acks_late = True\n",
        "from celery import Celery\napp = Celery('x')\napp.conf.update(task_acks_late=True)\n",
        "# celery\nclass Settings:\n    task_acks_late = True\n",
    ],
)
def test_celery_s_settings_are_found_however_they_are_set(text):
    settings = read_celery(File("settings.py", text))
    assert settings.options["task_acks_late"].value is True


# --- Scripts -------------------------------------------------------------------------------------------------------


def test_a_script_s_commands_and_loops_are_seen_with_their_lines():
    script = scripts.read_script(
        "a() { rm -f /x; }\nif [[ -f /x ]]; then\n  a\nfi\nwhile [ -e /y ]; do sleep 5; done\n"
    )
    assert [(call.name, call.line) for call in script.calls] == [("rm", 1), ("[[", 2), ("a", 3), ("[", 5), ("sleep", 5)]
    assert script.calls[1].words == ("[[", "-f", "/x")
    assert [(loop.line, loop.has_counter) for loop in script.loops] == [(5, False)]


@pytest.mark.parametrize(
    "loop", ["until [ $i -gt 9 ]; do sleep 1; i=$((i+1)); done", "for i in 1 2 3; do sleep 1; done"]
)
def test_a_loop_that_counts_has_a_deadline(loop):
    assert not [one for one in scripts.read_script(loop).loops if not one.has_counter]


# --- Everything together -------------------------------------------------------------------------------------------


def test_the_fields_are_those_of_every_version_of_kubernetes():
    known = {level: set() for level in FIELDS}
    kinds = {
        "WorkloadSpec": ("apps.v1.DeploymentSpec", "apps.v1.StatefulSetSpec", "apps.v1.DaemonSetSpec"),
        "PodSpec": ("core.v1.PodSpec",),
        "Container": ("core.v1.Container",),
        "Lifecycle": ("core.v1.Lifecycle",),
        "Handler": ("core.v1.LifecycleHandler", "core.v1.Handler"),
        "Resources": ("core.v1.ResourceRequirements",),
        "HPASpec": ("autoscaling.v2.HorizontalPodAutoscalerSpec",),
        "HPAMetric": ("autoscaling.v2.MetricSpec",),
        "HPAResource": ("autoscaling.v2.ResourceMetricSource",),
    }
    for version in {major_minor(full) for full in all_versions()}:
        schema = _read(version, "_definitions.json")
        definitions = schema.get("$defs") or schema["definitions"]
        for level, names in kinds.items():
            for name in names:
                known[level] |= set(definitions.get(f"io.k8s.api.{name}", {}).get("properties", {}))
    assert {level: set(fields) for level, fields in FIELDS.items()} == known


def test_the_fields_of_a_scaled_object_are_those_of_its_definition():
    definition = pyyaml.safe_load((ROOT / "tests/keda/keda.sh_scaledobjects.yaml").read_text())
    (version,) = definition["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert set(KEDA_FIELDS["ScaledObjectSpec"]) == set(spec["properties"])


def test_a_when_block_overrides_the_transport_of_one_environment():
    text = """\
framework: {messenger: {transports: {mail: 'redis://r/mail?redeliver_timeout=60'}}}
when@prod: {framework: {messenger: {transports: {mail: {dsn: 'amqps://mq', options: {heartbeat: 5}}}}}}
"""
    transports = read_all([File("messenger.yaml", text)]).transports
    assert [(one.scheme, {key: said.value for key, said in one.options.items()}) for one in transports] == [
        ("amqp", {"heartbeat": 5})
    ]
