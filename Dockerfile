# The base is a tag, because its digest depends on the registry's answer on the day. Releases pass the digest:
#   docker build --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:... .
ARG PYTHON_IMAGE=python:3.13-slim

# ---- build: everything that is needed to install, and nothing of it is kept -------------------------------
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    UV_NO_CACHE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src

# Dependencies first: this layer changes only with the locks.
COPY requirements-build.lock requirements.lock ./
RUN python -m pip install --no-deps --require-hashes -r requirements-build.lock \
    && python -m venv --without-pip /app \
    && uv pip install --python /app/bin/python --no-deps --require-hashes --compile-bytecode \
        -r requirements.lock

# The wheel, not the folder, so that migrations and dashboards are where an installed driftd looks for them.
COPY pyproject.toml README.md LICENSE ./
COPY monitor monitor
COPY detectors detectors
COPY migrations migrations
COPY dashboards dashboards
RUN python -m hatchling build -t wheel \
    && uv pip install --python /app/bin/python --no-deps --compile-bytecode dist/*.whl

# ---- run: the interpreter, the packages, a user without a name and without rights --------------------------
FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="driftd" \
      org.opencontainers.image.description="Watches ML and LLM applications for drift and acts on it" \
      org.opencontainers.image.licenses="Apache-2.0"

# Nothing that installs, and no program that runs with its owner's rights, is left on the path.
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && install -d -m 0750 -o 65532 -g 65532 /var/lib/driftd
COPY --from=build /app /app

# Read-only root: bytecode is compiled above and never written here; what must be written goes to /tmp (a tmpfs)
# and to the volume. DO_NOT_TRACK keeps the report library from calling home.
ENV PATH=/app/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1
WORKDIR /var/lib/driftd
VOLUME ["/var/lib/driftd"]
USER 65532:65532
EXPOSE 9478
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["driftd", "health"]
ENTRYPOINT ["driftd"]
CMD ["run"]
