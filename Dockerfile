# Two images: `tag`, the command line, without PyTorch (the last stage, so the default), and `serve`, the service with its page.
#   docker build -t earmark .                        docker run --rm -v ~/Music:/music:ro earmark tag /music
#   docker build --target serve -t earmark-serve .   docker run -p 8000:8000 -e EARMARK_SERVE_API_KEY earmark-serve
# What else there is to say: docs/docker.md.
ARG PYTHON_VERSION=3.13
ARG NODE_VERSION=22

# The page is the same on every platform: built on the machine's own.
FROM --platform=$BUILDPLATFORM node:${NODE_VERSION}-slim AS page
WORKDIR /earmark/web
COPY web/package.json web/package-lock.json ./
RUN npm ci
COPY LICENSE /earmark/
COPY src/earmark/tagging /earmark/src/earmark/tagging
COPY web ./
RUN npm run build

FROM python:${PYTHON_VERSION}-slim AS source
WORKDIR /earmark
RUN python -m venv /opt/earmark
COPY pyproject.toml README.md LICENSE ./
COPY src ./src

FROM source AS tag-install
# More of earmark, by the names of its extras: --build-arg EXTRAS=library,plot
ARG EXTRAS=
RUN /opt/earmark/bin/pip install --no-cache-dir ".${EXTRAS:+[$EXTRAS]}"

FROM source AS serve-install
COPY --from=page /earmark/src/earmark/service/page ./src/earmark/service/page
RUN /opt/earmark/bin/pip install --no-cache-dir ".[serve]"

FROM python:${PYTHON_VERSION}-slim AS base
# /data keeps the index of a library and models that were pulled; any user may write there, see --user in docs/docker.md.
RUN useradd --uid 1000 --create-home earmark && install --directory --mode 1777 /data
ENV PATH=/opt/earmark/bin:$PATH \
    EARMARK_INDEX=/data/library.sqlite \
    EARMARK_MODELS=/data/models
VOLUME /data
USER 1000:1000
ENTRYPOINT ["earmark"]

FROM base AS serve
COPY --from=serve-install /opt/earmark /opt/earmark
ENV EARMARK_SERVE_HOST=0.0.0.0 \
    EARMARK_SERVE_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"EARMARK_SERVE_PORT\"]}/healthz', timeout=4)"]
CMD ["serve"]

FROM base AS tag
COPY --from=tag-install /opt/earmark /opt/earmark
WORKDIR /music
CMD ["--help"]
