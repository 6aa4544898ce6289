# One image for every role, told apart by the command: agentarmy-ops serve, daemon, code-server,
# migrate, or what a run launcher sends. More in docs/image.md.
#
# To pin the base: --build-arg BASE=python:3.12-slim@sha256:...
ARG BASE=python:3.12-slim

# ---- What requirements.lock pins, in /opt/venv. Rebuilt when that file changes, not with the code.
FROM ${BASE} AS dependencies
# The venv gets no pip of its own.
RUN ["python", "-m", "venv", "--without-pip", "/opt/venv"]
COPY requirements.lock /build/
# Wheels only: nothing is compiled, and no package's setup code runs. A network with a package index
# or a certificate authority of its own gives them as secrets; no layer keeps them.
RUN --mount=type=secret,id=pip-conf,target=/run/secrets/pip.conf \
    --mount=type=secret,id=ca-bundle,target=/run/secrets/ca-bundle.crt \
    if [ -s /run/secrets/pip.conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip.conf; fi; \
    if [ -s /run/secrets/ca-bundle.crt ]; then export PIP_CERT=/run/secrets/ca-bundle.crt; fi; \
    pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --no-compile --only-binary=:all: --require-hashes --requirement /build/requirements.lock
COPY deploy/image/slim /build/
# The root file system may be read-only, so bytecode is made here, and never looked at again.
RUN /build/slim /opt/venv \
    && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

# ---- Our wheel, with its compiled module. The compiler stays here.
FROM ${BASE} AS wheel
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY requirements-dev.lock pyproject.toml README.md /build/
RUN --mount=type=secret,id=pip-conf,target=/run/secrets/pip.conf \
    --mount=type=secret,id=ca-bundle,target=/run/secrets/ca-bundle.crt \
    if [ -s /run/secrets/pip.conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip.conf; fi; \
    if [ -s /run/secrets/ca-bundle.crt ]; then export PIP_CERT=/run/secrets/ca-bundle.crt; fi; \
    sed -n '/^setuptools==/,/^    # via/p' /build/requirements-dev.lock > /build/requirements.txt \
    && pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        --only-binary=:all: --require-hashes --requirement /build/requirements.txt
COPY agentarmy_ops /build/agentarmy_ops
# setup.py's "optional" would leave the module out when it does not compile: the name tells.
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-index --no-deps --no-build-isolation \
        --wheel-dir /dist /build \
    && ls /dist/agentarmy_ops-*-cp311-abi3-*.whl
# Installed where the image has it. Copied from here, not bound into a RUN: not every builder sees
# that what is bound has changed.
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --no-index --no-deps --no-compile /dist/*.whl \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib

# ---- The image.
FROM ${BASE}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# postgresql-client is for servers of PostgreSQL 17; tools for 16 and 18 are in the venv. age and
# zstd open an archive without this software (docs/runbooks).
RUN apt-get update \
    && apt-get install --yes --no-install-recommends age postgresql-client zstd \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log
# The base has no bytecode of Python's own library, either.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x site-packages \
        /usr/local/lib/python3.12 \
    && groupadd --gid 10001 agentarmy \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/agentarmy \
        --shell /usr/sbin/nologin agentarmy \
    # As open as /tmp, because a tmpfs mounted there may get its mode and belong to root; what is
    # kept in it is made private.
    && install --directory --owner=10001 --group=10001 --mode=1777 /var/lib/agentarmy
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=wheel /opt/venv /opt/venv
RUN ["python", "-c", "import agentarmy_ops.archive._chunks"]
COPY deploy/dagster /opt/agentarmy
COPY dagster.yaml workspace.yaml deploy/image/artifacts.yaml /opt/agentarmy/dagster/
RUN cat /opt/agentarmy/dagster/artifacts.yaml >> /opt/agentarmy/dagster/dagster.yaml \
    && rm /opt/agentarmy/dagster/artifacts.yaml
ENV AGENTARMY_HOME=/var/lib/agentarmy \
    DAGSTER_HOME=/opt/agentarmy/dagster
ARG VERSION=""
ARG REVISION=""
ARG SOURCE=""
ARG CREATED=""
LABEL org.opencontainers.image.title="agentarmy-ops" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.created="${CREATED}"
WORKDIR /var/lib/agentarmy
USER 10001:10001
STOPSIGNAL SIGTERM
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 \
    CMD ["agentarmy-ops", "healthcheck"]
# No ENTRYPOINT: a run launcher replaces the arguments alone.
CMD ["agentarmy-ops", "serve", "--host", "0.0.0.0"]
