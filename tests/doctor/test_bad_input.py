"""What cannot be read is said in one line, and everything else is still judged. Nothing that is read is run."""

from __future__ import annotations

import os

import pytest
from tests.doctor.bundles import article, bundles
from tests.doctor.test_edges import workload

from ebbtide.doctor.diagnose import diagnose, diagnose_files
from ebbtide.doctor.files import MOST_BYTES, File
from ebbtide.judgement.findings import SettingsError

GOOD = "[supervisord]\nnodaemon=true\n[program:a]\ncommand=php artisan queue:work --timeout=60\nstopwaitsecs=5\n"
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: nginx}]}}}
"""
BAD = {
    "a Helm template": ("deploy.yaml", "kind: {{ .Values.kind }}\n", "helm template"),
    "a Helm template with a function": ("deploy.yaml", 'a:\n  {{- include "x" . | nindent 4 }}\n', "helm template"),
    "an overlay": ("kustomization.yaml", "resources: [a.yaml]\n", "kubectl kustomize"),
    "Messenger in PHP": (
        "messenger.php",
        "<?php\nreturn static function (FrameworkConfig $framework): void {\n    $framework->messenger();\n};\n",
        "configures Messenger in PHP, which is not read; hand the same over as YAML",
    ),
    "Messenger in XML": (
        "messenger.xml",
        "<container><framework:config><framework:messenger/></framework:config></container>",
        "configures Messenger in XML, which is not read",
    ),
    "YAML that is none": ("deploy.yaml", "apiVersion: [\n", "is no YAML"),
    "YAML with a NUL inside": ("deploy.yaml", f"{'a: 1' + chr(10):>9000}\0", "is no YAML"),
    "a binary file": ("image.json", "\x7fELF\0\0", "is no text"),
    "a Dockerfile without FROM": ("Dockerfile", 'CMD ["x"]\n', "has no FROM"),
    "an empty Dockerfile": ("Dockerfile", "", "has no FROM"),
    "a supervisord.conf that is none": ("s.conf", "[supervisord]\nthis is nothing\n", "supervisor can read"),
    "a program without a command": ("s.conf", "[program:x]\nuser=a\n", "no command"),
    "a number that only the container knows": (
        "s.conf", "[program:worker]\ncommand=php artisan queue:work\nnumprocs=%(ENV_N)s\n", "numprocs"
    ),
    "something else": ("notes.md", "# Notes: of a meeting\n", "nothing that doctor reads"),
    "no worker": ("web.yaml", WEB, "no worker is seen"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_one_bad_file_is_named_and_the_rest_is_judged(name, tmp_path):
    base, text, said = BAD[name]
    (tmp_path / base).write_bytes(text.encode())
    (tmp_path / "good.conf").write_text(GOOD)
    report = diagnose([str(tmp_path / base), str(tmp_path / "good.conf")])
    assert [note.text for note in report.notes if said in note.text and note.place.file.endswith(base)], report.notes
    assert [one.rule for one in report.diagnoses if one.place.file.endswith("good.conf")] == ["D-20"]


def test_a_large_file_is_not_read(tmp_path):
    with (tmp_path / "big.yaml").open("wb") as file:
        file.truncate(100 * 2**20)
    assert [note.text for note in diagnose([str(tmp_path)]).notes if "big" in note.place.file] == [
        f"is larger than {MOST_BYTES // 2**20} MiB, and was not read"
    ]


def test_a_binary_file_in_a_directory_is_named_where_its_name_says_that_it_matters(tmp_path):
    for name in ("deploy.yaml", "logo.png"):
        (tmp_path / name).write_bytes(b"\x7fELF\0\0")
    notes = {note.place.file.rpartition("/")[2]: note.text for note in diagnose([str(tmp_path)]).notes}
    assert notes["deploy.yaml"] == "is no text, and was not read"
    assert "logo.png" not in notes


def test_a_page_s_texts_with_signs_of_a_template_are_no_template_of_helm(tmp_path):
    for name in ("messages.json", "deploy.yaml"):
        (tmp_path / name).write_text('{"greeting": "{{if .Name}} Hello {{end}}"}\n')
    notes = {note.place.file.rpartition("/")[2] for note in diagnose([str(tmp_path)]).notes if "template" in note.text}
    assert notes == {"deploy.yaml"}


def test_two_hundred_documents_are_all_read():
    text = "---\n".join(
        f"apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {{name: w{n}}}\n" for n in range(200)
    )
    assert len(diagnose_files([File("all.yaml", text)]).diagnoses) == 200


def test_a_link_out_of_the_directory_is_not_followed(tmp_path):
    outside, inside = tmp_path / "secret.conf", tmp_path / "in"
    outside.write_text(GOOD)
    inside.mkdir()
    (inside / "link.conf").symlink_to(outside)
    (inside / "near.conf").write_text(GOOD)
    (inside / "loop.conf").symlink_to(inside / "loop.conf")
    report = diagnose([str(inside)])
    assert ["out of the directory" in note.text for note in report.notes if note.place.file.endswith("link.conf")] == [
        True
    ]
    assert {one.place.file for one in report.diagnoses} == {str(inside / "near.conf")}


def test_a_pipe_is_no_file_to_wait_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.conf")
    (tmp_path / "good.conf").write_text(GOOD)
    assert diagnose([str(tmp_path)]).diagnoses


def test_a_path_that_is_not_there_is_refused():
    with pytest.raises(SettingsError, match="does not exist"):
        diagnose(["/nowhere/at/all"])


def test_an_empty_directory_is_no_clean_bill(tmp_path):
    report = diagnose([str(tmp_path)])
    assert report.notes
    assert not report.seen


def test_windows_line_ends_and_byte_order_marks_change_nothing(tmp_path):
    (tmp_path / "a.conf").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert [(one.rule, one.place.line) for one in diagnose([str(tmp_path)]).diagnoses] == [("D-20", 5)]


def test_nothing_that_is_read_is_run(tmp_path):
    mark = tmp_path / "ran"
    (tmp_path / "run.sh").write_text(f"#!/bin/sh\ntouch {mark}\nexec celery -A x worker $(touch {mark})\n")
    (tmp_path / "celery_settings.py").write_text(f"import pathlib\npathlib.Path('{mark}').touch()  # celery\n")
    (tmp_path / "queue.php").write_text(f"<?php touch('{mark}'); return ['connections' => []];\n")
    (tmp_path / "Dockerfile").write_text(f"FROM x\nRUN touch {mark}\nCMD touch {mark}\n")
    (tmp_path / "a.yaml").write_text(f"a: !!python/object/apply:os.system ['touch {mark}']\n")
    diagnose([str(tmp_path)])
    assert not mark.exists()


def test_no_secret_of_a_file_is_shown(tmp_path):
    from ebbtide.cli.doctor import as_text
    from ebbtide.doctor.document import DoctorDocument

    (tmp_path / "messenger.yaml").write_text(
        "framework: {messenger: {transports: {mail: 'redis://user:Sup3rS3cret@r:6379/mail'}}}\n"
    )
    (tmp_path / "w.conf").write_text(
        "[supervisord]\n[program:a]\ncommand=celery -A x --broker=redis://u:Sup3rS3cret@r worker\n"
    )
    (tmp_path / "run.sh").write_text("#!/bin/sh\nexec mystery --password Sup3rS3cret worker\n")
    document = DoctorDocument.of(diagnose([str(tmp_path), str(tmp_path / "run.sh")]))
    for format_ in ("text", "json", "markdown", "sarif"):
        assert "Sup3rS3cret" not in as_text(document, format_)


@pytest.mark.parametrize(
    "settings",
    [
        "RQ_QUEUES = {{}: 1, 'a': {[]: 2}}\n",
        "RQ_QUEUES = {'jobs': {'DEFAULT_TIMEOUT': 1e400}}\n",
        f"RQ_QUEUES = {{'jobs': {{'DEFAULT_TIMEOUT': 1{400 * '0'}}}}}\n",
        "RQ_QUEUES = {**OTHERS, name: {'DEFAULT_TIMEOUT': 60}}\n",
        "task_acks_late = True\ntask_time_limit = 1e400\nbroker_transport_options = {'visibility_timeout': 1e400}\n",
    ],
)
def test_settings_that_no_program_would_start_with_end_in_no_traceback(settings):
    for command in (["rq", "worker", "jobs"], ["celery", "-A", "x", "worker"]):
        report = diagnose_files([File("settings.py", settings), File("a.yaml", workload(command))])
        assert report.seen


LONG = "abcdefghijklmnopqrstuvwxyz" * 2
SCRIPT = "set -e\nexport PASSWORD=first\ncurl -u app:Sup3rS3cret http://x\n"


@pytest.mark.parametrize(
    "files",
    [
        {"Dockerfile": f"FROM debian:12\nCMD URL=redis://app:{LONG}@redis:6379 celery -A x worker\n"},
        {"a.yaml": workload(["sh", "-c", f"{SCRIPT}/srv/sync"]).replace("jobs", "sync")},
        {"a.yaml": workload(["sh", "-c", f"{SCRIPT}exec /srv/consumer"], pod={"serviceAccountName": "worker"})},
        {"a.yaml": workload(["rq", "worker"], lifecycle={"preStop": {"exec": {"command": ["/drain", SCRIPT]}}})},
    ],
    ids=["cut off inside of it", "a script of several lines", "a worker's", "a hook's"],
)
def test_no_secret_of_a_long_command_is_shown(files):
    from ebbtide.doctor.document import DoctorDocument

    document = DoctorDocument.of(diagnose_files([File(name, text) for name, text in files.items()]))
    said = [str(one) for one in document.findings] + [one.text for one in document.not_judged]
    assert any("[not shown]" in text for text in said)
    assert not [text for text in said if LONG[:20] in text or "Sup3rS3cret" in text]


def test_the_order_of_files_does_not_matter():
    for bundle in (article(), *bundles("recipes")):
        backwards = diagnose_files(reversed(bundle.files))
        assert set(backwards.diagnoses) == set(bundle.report.diagnoses)


PHP_WORKER = "command=php bin/console messenger:consume mail --time-limit=60\n"
SUPERVISOR = "[supervisord]\nnodaemon=true\n"
TEMPLATE = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w}\nspec:\n  template:\n    spec:\n"
# By what is wrong: the file's name, its text, the line that is named, and what is said.
NOT_READ = {
    "a section without its ]": ("s.conf", f"{SUPERVISOR}[program:orders\n{PHP_WORKER}", 3, "its ] is missing"),
    "such a section alone": ("s.conf", f"[program:orders\n{PHP_WORKER}", 1, "supervisor can read"),
    "a section that is misspelt": (
        "s.conf", f"{SUPERVISOR}[programm:orders]\n{PHP_WORKER}", 3, "is program:orders meant?"
    ),
    "such a section alone, in a directory of them": (
        "s.conf", f"[programm:orders]\n{PHP_WORKER}", 1, "is program:orders meant?"
    ),
    "a section in another case": ("s.conf", f"{SUPERVISOR}[Program:orders]\n{PHP_WORKER}", 3, "passes over"),
    "a section of another program's": ("s.conf", f"{SUPERVISOR}[workers]\n{PHP_WORKER}", 3, "passes over"),
    "a program of FastCGI": ("s.conf", f"{SUPERVISOR}[fcgi-program:x]\n{PHP_WORKER}", 3, "FastCGI"),
    "a number with a unit": (
        "s.conf", f"{SUPERVISOR}[program:a]\n{PHP_WORKER}stopwaitsecs=120s\n", 5, "stopwaitsecs=120s, which"
    ),
    "a number that is a word": (
        "s.conf", f"{SUPERVISOR}[program:a]\n{PHP_WORKER}numprocs=eight\n", 5, "numprocs=eight, which"
    ),
    "a time that only the container knows": (
        "s.conf", f"{SUPERVISOR}[program:a]\n{PHP_WORKER}stopwaitsecs=%(ENV_WAIT)s\n", 5, "is no number here"
    ),
    "a switch that is none": (
        "s.conf", f"{SUPERVISOR}[program:a]\n{PHP_WORKER}stopasgroup=yep\n", 5, "neither true nor false"
    ),
    "YAML of Messenger": ("messenger.yaml", "framework:\n  messenger:\n   transports: [\n", 4, "is no YAML from here"),
    "YAML of Sidekiq": ("sidekiq.yml", ":queues:\n  - a\n - b\n", 3, "is no YAML from here on"),
    "JSON of a cluster": ("all.json", '{\n  "apiVersion": "v1",\n  "items": [\n', 4, "is no YAML from here"),
    "JSON of npm": ("package.json", '{"scripts": {"start": \n', 2, "is no YAML from here on"),
    "settings of Celery": ("celeryconfig.py", "from celery import Celery\ntask_acks_late = = 1\n", 2, "is no Python"),
    "queues of Laravel": ("queue.php", "<?php\nreturn array_merge(['connections' => []]);\n", 1, "returns no array"),
    "a time of s6": ("svc/timeout-kill", "90s\n", 1, "no number of milliseconds"),
    "a grace period": (
        "d.yaml",
        f"{TEMPLATE}      terminationGracePeriodSeconds: 120s\n      containers: [{{name: w, image: w}}]\n",
        7,
        "terminationGracePeriodSeconds is '120s'",
    ),
    "containers that are no list": (
        "d.yaml",
        f"{TEMPLATE}      containers: {{name: w, image: w}}\n",
        7,
        "no list of containers",
    ),
    "a workload without its apiVersion": (
        "d.yaml", "kind: Deployment\nspec: {template: {spec: {containers: [{name: w}]}}}\n", 1, "has no apiVersion"
    ),
    "a time of a compose file": (
        "compose.yaml", "services:\n  w:\n    image: w\n    stop_grace_period: 2 minutes\n", 4, "is no time here"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_READ)
def test_what_a_directory_holds_and_cannot_be_read_is_named_with_its_line(name, tmp_path):
    base, text, line, said = NOT_READ[name]
    path = tmp_path / base
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    notes = diagnose([str(tmp_path)]).notes
    places = [(note.place.file, note.place.line) for note in notes if said in note.text]
    assert places == [(str(path), line)], notes


def test_a_file_that_could_not_be_read_is_not_asked_for(tmp_path):
    (tmp_path / "messenger.yaml").write_text("framework: [\n")
    (tmp_path / "s.conf").write_text(f"{SUPERVISOR}[program:a]\n{PHP_WORKER}")
    notes = [note.text for note in diagnose([str(tmp_path)]).notes]
    assert not any("hand over config/packages/messenger.yaml" in text for text in notes)
    assert any("messenger.yaml could not be read" in text for text in notes)


def test_what_can_be_read_is_not_named(tmp_path):
    (tmp_path / "s.conf").write_text(
        f"{SUPERVISOR}[unix_http_server]\nfile=/tmp/s\n[rpcinterface:supervisor]\na=b\n[supervisorctl]\nurl=x\n"
        f"[group:g]\nprograms=a\n[eventlistener:e]\ncommand=x\n[program:a]\n{PHP_WORKER}stopwaitsecs=%(ENV_X)s\n"
        'numprocs = 8 ; eight\nstopasgroup = False\nenvironment=A="[x",\n  B="y"\n[include]\nfiles=*.none\n'
    )
    (tmp_path / "php.conf").write_text("[www]\npm = static\n[global]\nerror_log = /dev/stderr\n")
    (tmp_path / "my.conf").write_text("[mysqld\ncommand = x\n")
    (tmp_path / "tsconfig.json").write_text('{ // a comment: of people\n "a": [1,\n}')
    (tmp_path / "app.py").write_text("print 'two'\n")
    texts = [note.text for note in diagnose([str(tmp_path)]).notes]
    assert [text for text in texts if "section" in text or "no YAML" in text or "no Python" in text] == []
