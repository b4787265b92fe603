"""Two corpora: spellings of secrets that must be refused, and harmless values that must not. All of them are invented.

What looks like a real token is put together here from a hash, so that no scanner of this repository finds one in it.
"""

from __future__ import annotations

import hashlib
from typing import Any

LOWER, UPPER, DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
ALNUM = LOWER + UPPER + DIGITS


def rnd(length: int, alphabet: str = ALNUM, salt: str = "") -> str:
    """The same text at each run, as a generator would make it."""
    sign, text = 0, ""
    while len(text) < length:
        for byte in hashlib.sha256(f"{salt}{alphabet}{length}{sign}".encode()).digest():
            text += alphabet[byte % len(alphabet)]
        sign += 1
    return text[:length]


HEX = "0123456789abcdef"
P = "hunter2correct"
KEY = "PRIVATE KEY-----"


def env(name: str, value: str) -> dict[str, Any]:
    return {"environment": {name: value}}


def args(*words: str) -> dict[str, Any]:
    return {"worker": {"arguments": list(words)}}


def command(*words: str) -> dict[str, Any]:
    return {"worker": {"kind": "command", "command": list(words)}}


DSNS = [
    f"redis://{P}@10.0.0.7:6379/mail",
    f"redis://:{P}@redis:6379/mail",
    f"redis://default:{P}@redis:6379",
    f"redis://default:{P}/{P}@h:6379/mail",
    f"redis://default:{P}:{P}@h:6379/mail",
    f"redis:{P}@redis",
    f"rediss://{P}@redis:6380/0",
    f"valkey://user:{P}@valkey:6379",
    f"redis://{P}@a:6379,redis://b:6379",
    f"redis://redis:6379?auth={P}1",
    f"redis:?host[redis:6379]&auth={P}1",
    f"amqp://guest:{P}@rabbit:5672/%2f/messages",
    f"amqps://app:{P}@rabbit:5671/vhost",
    f"amqp://app:pa/ss{P}@rabbit:5672/vhost",
    f"doctrine://default?password={P}",
    f"postgresql://app:{P}@db:5432/app?serverVersion=16",
    f"pgsql://app:{P}@db/app",
    f"mysql://root:{P}@127.0.0.1:3306/app",
    f"mongodb+srv://app:{P}@cluster0.example.net/app",
    f"smtp://user:{P}@smtp.example.com:587",
    f"smtps://user%40example.com:{P}@smtp.example.com",
    f"sendgrid+api://{P}@default",
    f"mailgun+https://{P}:example.com@default",
    f"postmark+api://{P}@default",
    f"slack://{P}@default?channel=ops",
    f"ses+api://AKEY:{P}@default",
    f"ftp://deploy:{P}@files.example.com/in",
    f"https://user:{P}@example.com/hook",
    f"https://oauth2:{P}@gitlab.example.com/a/b.git",
    f"sqs://AKEY:{P}@sqs.eu-west-1.amazonaws.com/1/q",
    f"https://sqs.eu-west-1.amazonaws.com/1/q?access_key=AKEY&secret_key={P}7",
    f"beanstalkd://u:{P}@bean:11300",
    f"nats://u:{P}@nats:4222",
    f"kafka://u:{P}@kafka:9092",
    f"ldap://cn=admin:{P}@ldap:389",
    f"Server=db;Database=app;User Id=app;Password={P};",
    f"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={rnd(86)}==;",
    f"Endpoint=sb://acme.servicebus.example/;SharedAccessKeyName=root;SharedAccessKey={rnd(43)}=",
    f"host=db user=app password={P} dbname=app",
    f"jdbc:postgresql://db/app?user=app&password={P}",
]
TOKENS = [
    "gh" + "p_" + rnd(36),
    "gh" + "o_" + rnd(36),
    "gh" + "s_" + rnd(36),
    "github_" + "pat_" + rnd(22) + "_" + rnd(59),
    "gl" + "pat-" + rnd(20),
    "gl" + "dt-" + rnd(20),
    "gl" + "rt-" + rnd(20),
    "AK" + "IA" + rnd(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "AS" + "IA" + rnd(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "AI" + "za" + rnd(35),
    "xo" + "xb-" + rnd(11, DIGITS) + "-" + rnd(11, DIGITS) + "-" + rnd(24),
    "xo" + "xp-" + rnd(11, DIGITS) + "-" + rnd(11, DIGITS) + "-" + rnd(12, DIGITS) + "-" + rnd(32),
    "sk_" + "live_" + rnd(24),
    "rk_" + "live_" + rnd(24),
    "sk_" + "test_" + rnd(24),
    "SG." + rnd(22) + "." + rnd(43),
    "np" + "m_" + rnd(36, LOWER + DIGITS),
    "py" + "pi-AgEIcHlwaS5vcmc" + rnd(60),
    "dop_" + "v1_" + rnd(64, HEX),
    "sq0" + "atp-" + rnd(22),
    "sh" + "pat_" + rnd(32, HEX),
    "key-" + rnd(32, HEX),
    "sk-ant-" + "api03-" + rnd(93) + "AA",
    "hf_" + rnd(34, LOWER),
    "pul-" + rnd(40, HEX),
    "gl" + "sa_" + rnd(32) + "_" + rnd(8, HEX),
    "hvs." + rnd(95),
    "dp.pt." + rnd(43, LOWER + DIGITS),
    "sbp_" + rnd(40, HEX) if False else "lin_" + "api_" + rnd(40, LOWER + DIGITS),
    "ey" + "JhbGciOiJIUzI1NiJ9." + "ey" + "J" + rnd(30) + "." + rnd(43),
    "AGE-" + "SECRET-KEY-1" + rnd(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    f"-----BEGIN {KEY}\nMIIEv{rnd(64)}\n-----END {KEY}",
    f"-----BEGIN RSA {KEY}\nMIIEv{rnd(64)}\n-----END RSA {KEY}",
    f"-----BEGIN OPENSSH {KEY}\nb3Bl{rnd(64)}",
    f"-----BEGIN EC {KEY}",
    "https://hooks.slack.com/" + f"services/T{rnd(9, UPPER)}/B{rnd(9, UPPER)}/{rnd(24)}",
    "https://discord.com/" + f"api/webhooks/{rnd(18, DIGITS)}/{rnd(68)}",
    f"Bearer {rnd(40)}",
    f"Basic {rnd(28)}==",
    '{"type": "service_account", "private_key": "-----BEGIN ' + KEY + '\\nMIIE"}',
]
NAMED = [
    *(
        "DB_PASS",
        "MYSQL_PASSWORD",
        "DATABASE_PASSWORD",
        "REDIS_PASSWD",
        "SMTP_PWD",
        "KEYSTORE_PASSPHRASE",
        "DB_PASS_PROD",
    ),
    *(
        "APP_SECRET",
        "CLIENT_SECRET",
        "OAUTH_CLIENT_SECRET",
        "SECRET_KEY",
        "SECRET_KEY_BASE",
        "JWT_SECRET",
        "COOKIE_SECRET",
    ),
    *("API_TOKEN", "GITHUB_TOKEN", "TOKEN", "ACCESS_TOKEN", "REFRESH_TOKEN", "AUTH_TOKEN", "TELEGRAM_BOT_TOKEN"),
    *(
        "API_KEY",
        "APIKEY",
        "STRIPE_API_KEY",
        "ApiKey",
        "apiKey",
        "api-key",
        "X_API_KEY",
        "ENCRYPTION_KEY",
        "SIGNING_KEY",
    ),
    *("AWS_SECRET_ACCESS_KEY", "ACCESS_KEY", "PRIVATE_KEY", "MASTER_KEY", "ADMIN_CREDENTIALS", "SERVICE_CREDS"),
    *(
        "dbPassword",
        "clientSecret",
        "redisPassword",
        "MINIO_ROOT_PASSWORD",
        "PGPASSWORD",
        "MAILER_PASSWORD",
        "LDAP_BIND_PW",
    ),
]
SECRETS: list[tuple[str, dict[str, Any]]] = [
    *((f"address {at}", env("MESSENGER_TRANSPORT_DSN", dsn)) for at, dsn in enumerate(DSNS)),
    *((f"token {at}", env("SOMETHING", token)) for at, token in enumerate(TOKENS)),
    *((f"named {name}", env(name.replace("-", "_"), P)) for name in NAMED),
    ("Laravel's key", env("APP_KEY", f"base64:{rnd(43)}=")),
    ("a salt", env("HASH_SALT", rnd(32))),
    ("a random key under a plain name", env("LOOKUP_KEY", rnd(40))),
    ("a key in hex", env("DATA_KEY", rnd(64, HEX))),
    ("Datadog by name", env("DATADOG_X", rnd(40, LOWER + DIGITS))),
    ("argument --password=", args(f"--password={P}")),
    ("argument --password value", args("--password", P)),
    ("argument --db-pass value", args("--db-pass", P)),
    ("argument --api-key value", args("--api-key", P)),
    ("argument --token=", args(f"--token={P}")),
    ("argument with a DSN", args(f"--dsn=redis://{P}@redis")),
    ("argument with a token", args("gh" + "p_" + rnd(36))),
    ("argument secret_key=", args(f"secret_key={P}9")),
    ("argument with quotes", args(f"--client-secret='{P}'")),
    ("command --broker", command("celery", "-b", f"redis://:{P}@redis", "worker")),
    ("command --password", command("worker", "--password", P)),
    ("command redis-cli", command("redis-cli", "-a", P)),
    ("command mysql", command("mysql", "-u", "root", f"-p{P}")),
    ("command curl", command("curl", "-u", f"me:{P}", "https://example.com")),
    ("command sshpass", command("sshpass", "-p", P, "ssh", "host")),
    ("script export", command("sh", "-c", f"export DB_PASSWORD={P}; exec worker")),
    ("script variable", command("sh", "-c", f"PGPASSWORD={P} exec worker")),
    ("script option", command("sh", "-c", f"exec worker --password {P}")),
    (
        "script header",
        command("sh", "-c", f"curl -H 'Authorization: Bearer {rnd(30)}' https://example.com; exec worker"),
    ),
    ("script JSON", command("sh", "-c", f'exec worker \'{{"password": "{P}"}}\'')),
    ("script env", command("env", f"API_KEY={P}", "worker")),
    ("annotation DSN", {"annotations": {"acme.com/broker": f"redis://{P}@redis"}}),
    ("annotation token", {"annotations": {"acme.com/note": "gl" + "pat-" + rnd(20)}}),
    ("annotation by name", {"annotations": {"acme.com/api-token": P}}),
    ("annotation by a bare name", {"annotations": {"password": P}}),
    ("annotation JSON", {"annotations": {"acme.com/config": f'{{"apiKey": "{P}1"}}'}}),
    ("annotation YAML", {"annotations": {"acme.com/config": f"user: app\npassword: {P}1\n"}}),
    ("label token", {"labels": {"acme.com/team": "gh" + "p_" + rnd(36)}}),
    ("label by name", {"labels": {"acme.com/token": P}}),
    ("receiver DSN", {"worker": {"receivers": [f"redis://{P}@redis"]}}),
    ("receiver token", {"worker": {"receivers": ["gl" + "pat-" + rnd(20)]}}),
    ("console", {"worker": {"console": f"https://user:{P}@example.com/console"}}),
    ("working directory", {"worker": {"workingDirectory": f"/app?password={P}"}}),
    ("JSON in a variable", env("CONFIG", f'{{"db": {{"password": "{P}"}}}}')),
    ("YAML in a variable", env("CONFIG", f"db:\n  password: '{P}'\n")),
    ("query in a variable", env("CALLBACK", f"https://example.com/hook?token={P}5")),
    ("properties in a variable", env("JAVA_OPTS", f"-Xmx1g -Djavax.net.ssl.keyStorePassword={P}")),
    ("options in a variable", env("CELERY_OPTS", f"--password {P}")),
    ("docker config", env("DOCKER_AUTH_CONFIG", f'{{"auths": {{"r.example": {{"password": "{P}"}}}}}}')),
    ("kubeconfig", env("KUBECONFIG_TEXT", f"users:\n- user: {{token: {rnd(30)}}}\n")),
    ("node selector", {"placement": {"nodeSelector": {"acme.com/pool": "gl" + "pat-" + rnd(20)}}}),
]

_HOSTS = ["redis", "rabbitmq.brokers", "10.20.0.7", "db.internal.example.com", "localhost"]
_PLAIN = {
    "APP_ENV": "prod production dev test staging local",
    "APP_DEBUG": "0 1 true false",
    "LOG_LEVEL": "debug info notice warning error critical DEBUG INFO",
    "TZ": "UTC Europe/Berlin America/New_York Asia/Tokyo",
    "LANG": "en_GB.UTF-8 C.UTF-8 de_DE.UTF-8",
    "PHP_MEMORY_LIMIT": "128M 256M 1G -1",
    "TOKEN_TTL": "3600 1h 15m P1D PT15M",
    "PASSWORD_MIN_LENGTH": "8 12",
    "PASSWORD_HASHER": "bcrypt argon2id auto sodium",
    "PASSWORD_RESET_URL": "https://example.com/reset https://example.com/account/password/new",
    "TOKEN_URL": "https://auth.example.com/oauth/token https://login.example.com/v2/token",
    "TOKEN_ENDPOINT": "/oauth/token https://idp.example.com/token",
    "JWT_ALGORITHM": "RS256 HS256 ES256 EdDSA",
    "JWT_PUBLIC_KEY": "/app/config/jwt/public.pem %kernel.project_dir%/config/jwt/public.pem",
    "JWT_SECRET_KEY": "/app/config/jwt/private.pem %kernel.project_dir%/config/jwt/private.pem",
    "SECRET_NAME": "githubevents-broker-v1 mail-db",
    "API_KEY_HEADER": "X-Api-Key Authorization",
    "CSRF_TOKEN_NAME": "_csrf_token authenticity_token",
    "MAX_TOKENS": "4096 128000",
    "TOKENIZER_MODEL": "cl100k_base o200k_base sentencepiece",
    "CACHE_KEY_PREFIX": "app: mail_v2_ shop",
    "SORT_KEY": "created_at id name",
    "PRIMARY_KEY": "id uuid",
    "ROUTING_KEY": "mail.high order.created #",
    "KEYBOARD_LAYOUT": "de us",
    "MONKEY_PATCH": "on off",
    "COMPASS_URL": "https://compass.example.com http://compass:8080/api",
    "BYPASS_CACHE": "true no",
    "PASSENGER_MIN_INSTANCES": "4 8",
    "AUTH_METHOD": "oauth2 basic kubernetes iam saml",
    "AUTH_ENABLED": "true false",
    "CREDENTIALS_FILE": "/run/secrets/gcp.json ./credentials.json",
    "GOOGLE_APPLICATION_CREDENTIALS": "/var/run/secrets/key.json /etc/gcp/key.json",
    "DATABASE_PASSWORD_FILE": "/run/secrets/db /etc/secrets/db-password",
    "DATABASE_PASSWORD": "%env(file:DB_PASSWORD_FILE)% $(DB_PASSWORD_FROM) ${DB_PASS} {{db_password}} <password>",
    "API_TOKEN": "/run/secrets/token %env(TOKEN)% $(TOKEN) vault:secret/data/app#token op://infra/app/token",
    "SECRETS_BACKEND": "vault aws-secrets-manager gcp",
    "SESSION_COOKIE_NAME": "PHPSESSID sid __Host-session",
    "SSH_PUBLIC_KEY": "/root/.ssh/id_ed25519.pub ssh-ed25519",
    "AWS_REGION": "eu-west-1 us-east-2",
    "GIT_COMMIT": "3f2a9bc 9fceb02d0ae598e95dc970b74767f19372d61af8 0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
    "IMAGE_DIGEST": f"sha256:{rnd(64, HEX)} {rnd(64, HEX, 'x')}",
    "RELEASE": "2026-11-28 v1.42.0 1.0.0-rc.1 20261128T120000Z",
    "TRACE_ID": f"{rnd(32, HEX, 'trace')} 00-{rnd(32, HEX, 'y')}-{rnd(16, HEX)}-01",
    "REQUEST_ID": "7d444840-9dc0-11d1-b245-5ffdce74fad2 123e4567-e89b-12d3-a456-426614174000",
    "TENANT_ID": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "CLIENT_ID": "7d444840-9dc0-11d1-b245-5ffdce74fad2 shop-web",
    "PUBLISHABLE_KEY_NAME": "stripe web",
    "FEATURE_FLAGS": "new-checkout,fast-mail a=1,b=0",
    "MAIL_FROM": "shop@example.com Shop <shop@example.com>",
    "NOREPLY": "no-reply@example.com",
    "QUEUES": "high,default,low mail;orders",
    "HTTP_PROXY": "http://proxy.internal:3128 http://10.0.0.9:8080",
    "NO_PROXY": "localhost,127.0.0.1,.svc,.cluster.local",
    "SENTRY_ENVIRONMENT": "production",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel-collector.monitoring:4318",
    "OTEL_RESOURCE_ATTRIBUTES": "service.name=mail,service.version=1.2,deployment.environment=prod",
    "JAVA_OPTS": "-Xmx512m -XX:+UseG1GC -Dfile.encoding=UTF-8",
    "PHP_INI_SCAN_DIR": ":/opt/php/conf.d",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PWD": "/app /srv/app",
    "HOME": "/tmp /home/app",
    "DOCS": "https://docs.example.com/guides/passwords#reset https://docs.example.com/api?version=2&lang=en",
    "REPOSITORY": "git@github.com:acme/shop.git https://github.com/acme/shop ssh://git@github.com/acme/shop",
    "PACKAGE": "https://registry.example.com/@acme/shop @acme/mail",
    "CRON": "*/5",
    "REGEX": "^[a-z]+$ \\d{3}-\\d{4}",
    "SQL_MODE": "STRICT_TRANS_TABLES,NO_ZERO_DATE",
    "SECRETARY_EMAIL": "office@example.com",
    "PASSPORT_CHECK": "strict",
    "COMPASSION_LEVEL": "7",
    "TOKEN_BUCKET_RATE": "10 2.5",
    "PASSWORD_POLICY": "strict owasp",
    "WEBHOOK_PATH": "/hooks/github /hooks/stripe",
    "WEBHOOK_URL": "https://shop.example.com/hooks/github",
    "CHECKSUM_SECRET": rnd(64, HEX, "sum"),
    "LOCK_DSN": "flock semaphore redis://redis:6379 postgresql+advisory://db/app",
    "MAILER_DSN": "null://null smtp://mailhog:1025 native://default sendmail://default",
    "SENTRY_DSN_HOST": "o0.ingest.sentry.io",
}
_DSNS = [
    *(
        "redis://{host}:6379/mail",
        "redis://{host}",
        "rediss://{host}:6380?dbindex=1",
        "amqp://{host}:5672/%2f/messages",
    ),
    *("postgresql://app@{host}:5432/app", "mysql://root@{host}/app", "doctrine://default?queue_name=mail&host={host}"),
    *("http://{host}:8080/health", "https://{host}/a/@b", "redis://:$(REDIS_PASSWORD)@{host}:6379"),
    *("redis://%env(REDIS_PASSWORD)%@{host}", "amqp://app:${{RABBIT_PASSWORD}}@{host}", "tcp://{host}:11300"),
    *(
        "mongodb://{host}:27017/app?replicaSet=rs0",
        "kafka://{host}:9092",
        "nats://{host}:4222",
        "unix:///run/{host}.sock",
    ),
    *("https://sqs.eu-west-1.amazonaws.com/123456789012/{host}", "sqs://default/{host}", "in-memory://{host}"),
    *("redis://user:<password>@{host}", "redis://user:***@{host}:6379", "smtp://{host}:587?encryption=tls"),
]
_ARGUMENTS = [
    *("-vv", "--queues=high", "--no-interaction", "--bus=command.bus", "--time-zone=UTC", "--exclude-receivers=failed"),
    *(
        "--keepalive=5",
        "--all",
        "--ansi",
        "--env=prod",
        "--no-debug",
        "--profile",
        "--token-ttl=60",
        "--password-file=/x",
    ),
    *("--secret-name=mail", "--api-key-header=X-Api-Key", "--max-tokens=5", "--key=id", "--sort-key=created"),
]
_COMMANDS = [
    ("php", "artisan", "queue:work", "redis", "--timeout=95", "--max-time=3600"),
    ("celery", "-A", "shop", "worker", "--pool=solo", "--hostname=$(MESSENGER_CONSUMER_NAME)"),
    ("bundle", "exec", "sidekiq", "-q", "mail", "-t", "90"),
    ("sh", "-c", 'exec worker --password "$PASSWORD"'),
    ("sh", "-c", "exec worker --password-file /run/secrets/db"),
    ("sh", "-c", 'export DB_PASSWORD="$(cat /run/secrets/db)"; exec worker'),
    ("sh", "-c", "cd /app && exec python -m shop.worker --token-url https://auth.example.com/token"),
    ("sh", "-c", 'exec redis-worker redis://:"$REDIS_PASSWORD"@redis:6379'),
    ("rq", "worker", "--url", "redis://redis:6379", "high", "default"),
    ("dramatiq", "shop.tasks", "--processes", "1", "--threads", "1"),
    ("node", "worker.js", "--concurrency", "1"),
    ("java", "-jar", "/app/worker.jar", "--spring.profiles.active=prod"),
    ("worker", "--token", "$(TOKEN)"),
    ("worker", "--password", "%env(DB_PASSWORD)%"),
    ("worker", "--secret", "/run/secrets/key"),
    ("mysql-worker", "-p3306"),
    ("worker", "-a", "shop", "-p", "8080", "-u", "app"),
]
_ANNOTATIONS = {
    "checksum/config": rnd(64, HEX, "c"),
    "checksum/secret": rnd(64, HEX, "s"),
    "acme.com/secret-hash": rnd(40, HEX, "h"),
    "vault.hashicorp.com/agent-inject": "true",
    "vault.hashicorp.com/agent-inject-secret-db": "database/creds/app",
    "vault.hashicorp.com/role": "shop",
    "prometheus.io/scrape": "true",
    "prometheus.io/path": "/metrics",
    "prometheus.io/port": "9090",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "iam.gke.io/gcp-service-account": "mail@acme.iam.gserviceaccount.com",
    "acme.com/owner": "team-mail@example.com",
    "acme.com/docs": "https://wiki.example.com/x/AbCdEf",
    "acme.com/slack": "#ops-mail",
    "acme.com/note": "the password: it is in the vault of the team",
    "acme.com/rotation": "Rotate the token: every night, by the job of the platform team",
    "acme.com/commit": rnd(40, HEX, "g"),
    "acme.com/token-rotated-at": "2026-11-28T10:00:00Z",
    "kubectl.kubernetes.io/default-container": "consumer",
    "acme.com/contact": "tel:+49-30-123456",
}
_LABELS = {"acme.com/team": "mail", "acme.com/tier": "backend", "acme.com/secret-class": "none", "release": "v1.2.3"}
_RECEIVERS = [
    "async",
    "high",
    "low",
    "failed",
    "mail.high",
    "githubevents",
    "scheduler_default",
    "order-events",
    "secrets",
]
_NUMBERS = [f"{name}_{what}" for name in ("QUEUE", "WORKER", "HTTP", "DB", "TOKEN", "SECRET", "KEY", "AUTH")
            for what in ("TIMEOUT", "SIZE", "COUNT", "LIMIT", "INTERVAL", "RETRIES")]  # fmt: skip

HARMLESS: list[tuple[str, dict[str, Any]]] = [
    *((f"{name}={value}", env(name, value)) for name, values in _PLAIN.items() for value in values.split(" ")),
    *((f"DSN {dsn} {host}", env("MESSENGER_TRANSPORT_DSN", dsn.format(host=host))) for dsn in _DSNS for host in _HOSTS),
    *((f"argument {word}", args(word)) for word in _ARGUMENTS),
    *((f"command {' '.join(words)}", command(*words)) for words in _COMMANDS),
    *((f"annotation {key}", {"annotations": {key: value}}) for key, value in _ANNOTATIONS.items()),
    *((f"label {key}", {"labels": {key: value}}) for key, value in _LABELS.items()),
    *((f"receiver {name}", {"worker": {"receivers": [name]}}) for name in _RECEIVERS),
    *((f"{name}={number}", env(name, number)) for name in _NUMBERS for number in ("5", "30s", "1.5")),
    *(
        (f"sentence {at}", {"annotations": {"acme.com/note": text}})
        for at, text in enumerate(
            (
                "Consumes orders; ask before you scale it above 20 pods.",
                "Passwords are in the vault, tokens are made by the platform.",
                "See RFC 6749 on access tokens, and section 4.1 of it.",
                "Key facts: 70 workers, 2 pods.",
                "Handled once (mail@example.com knows more).",
            )
        )
    ),
    *((f"variable {at}", env(f"SETTING_{at}", f"value-{at}")) for at in range(60)),
]
