# The packshot server on processors, without PyTorch:  docker build -t packshot .
# Built with the Python that the tests run on; run by the same without a shell or a package manager, as nobody. What is
# written lies in /data (a volume) and /tmp; the rest may be read-only. docs/deploy.md says how to run it.
ARG BUILD_IMAGE=docker.io/library/python:3.11-slim-bookworm
ARG RUN_IMAGE=gcr.io/distroless/python3-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
ARG EXTRAS=server,postgresql,s3
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY recipes recipes
COPY src src
RUN python3 -m venv /tmp/tools \
    && /tmp/tools/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check \
    -c constraints.txt --target /opt/packshot ".[${EXTRAS}]"
COPY tools/trim_image.py tools/
RUN PYTHONPATH=/opt/packshot python3 tools/trim_image.py /opt/packshot && mkdir /data

FROM ${RUN_IMAGE}
LABEL org.opencontainers.image.title="packshot" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/packshot /opt/packshot
COPY --from=build --chown=65532:65532 /data /data
ENV PYTHONPATH=/opt/packshot PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 LANG=C.UTF-8 \
    PACKSHOT_HOME=/data PACKSHOT_HOST=0.0.0.0 PACKSHOT_LOG_FORMAT=json
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8333
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/bin/python3.11", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8333/readyz', timeout=4)"]
ENTRYPOINT ["/usr/bin/python3.11", "-m", "packshot"]
CMD ["serve"]
