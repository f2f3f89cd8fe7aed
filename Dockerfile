# The base image is a tag. For a release, pass its digest:
#   docker build --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:... .
ARG PYTHON_IMAGE=python:3.13-slim

# ---- build: install the packages ---------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    UV_NO_CACHE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src

# Dependencies first: this layer changes only with the lock files.
COPY requirements-build.lock requirements.lock ./
RUN python -m pip install --no-deps --require-hashes -r requirements-build.lock \
    && python -m venv --without-pip /app \
    && uv pip install --python /app/bin/python --no-deps --require-hashes --compile-bytecode \
        -r requirements.lock

# Install the wheel, so that migrations and dashboards are at their installed location.
COPY pyproject.toml README.md LICENSE ./
COPY monitor monitor
COPY detectors detectors
COPY migrations migrations
COPY dashboards dashboards
RUN python -m hatchling build -t wheel \
    && uv pip install --python /app/bin/python --no-deps --compile-bytecode dist/*.whl

# ---- run: the interpreter, the packages, an unprivileged user -----------------------------------------------
FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="driftd" \
      org.opencontainers.image.description="Watches ML and LLM applications for drift and acts on it" \
      org.opencontainers.image.licenses="Apache-2.0"

# Remove installers and setuid programs.
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && install -d -m 0750 -o 65532 -g 65532 /var/lib/driftd
COPY --from=build /app /app

# The root file system is read-only: bytecode was compiled above, and files are written only to /tmp (a tmpfs) and the
# volume. DO_NOT_TRACK disables the telemetry of the report library.
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
