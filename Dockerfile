# The consumer image: an application image plus supervisor and consumer/.
#
#   docker build --build-arg BASE_IMAGE=registry.example/app@sha256:... -t consumer .
#
# BASE_IMAGE is on Debian 12, Ubuntu 24.04 or later (Python 3.11) and holds the application; for Symfony its PHP is
# the command line's, its WORKDIR the project, its cache warmed (the root file system is read-only at run time).
# With a base pinned by digest,
# `buildah bud --timestamp 0` and EBBTIDE_FILL_OPCACHE=0, two builds are the same to the bit.
ARG BASE_IMAGE

# Before anything is downloaded: elsewhere the first thing to fail is a program that is not there.
FROM ${BASE_IMAGE} AS base
USER 0:0
RUN command -v apt-get >/dev/null || { . /etc/os-release; echo "ebbtide: the base image is ${PRETTY_NAME:-unknown}," \
      "and the consumer image is built on Debian 12, Ubuntu 24.04 or later: take your image's Debian variant," \
      "such as php:8.3-cli-bookworm" >&2; exit 1; }

# pip and what it needs stay in this stage.
FROM base AS supervisor
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 python3-pip
COPY consumer /tmp/consumer
# For a mirror of PyPI; both are pip's own variables.
ARG PIP_INDEX_URL
ARG PIP_CERT
RUN /tmp/consumer/build /opt/ebbtide

FROM base
# The logs and caches hold times, which would make each build another image.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/log/alternatives.log \
      /var/cache/apt/*.bin /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache
COPY --from=supervisor /opt/ebbtide /opt/ebbtide

# The kind of the worker, as in the stack: of symfonyMessenger the self-check asks PHP and the console too.
ARG EBBTIDE_WORKER_KIND=symfonyMessenger
# What the application's container needs to be looked at; only for this step, for example a DSN without a password.
ARG MESSENGER_TRANSPORT_DSN
ENV EBBTIDE_WORKER_KIND=${EBBTIDE_WORKER_KIND}
# Compiles what a worker's boot needs. The files hold the time and addresses of this build; with 0 the first worker of each
# container compiles instead.
ARG EBBTIDE_FILL_OPCACHE=1
# fork: refuses an application whose workers cannot be forked. auto says it only.
ARG EBBTIDE_WORKER_START=auto
# Refuses a base image that would lose messages.
RUN mkdir -p -m 0755 /opt/ebbtide/opcache /run/ebbtide && chown 10001:10001 /run/ebbtide \
 && if [ "$EBBTIDE_FILL_OPCACHE" = 1 ]; then export EBBTIDE_OPCACHE_DIRECTORY=/opt/ebbtide/opcache; fi \
 && /opt/ebbtide/self-check --record \
 && chmod -R a+rX /opt/ebbtide

# Above the ids a node gives to people and daemons; no entry in /etc/passwd is needed.
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/ebbtide/entrypoint"]
