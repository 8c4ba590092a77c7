# Two images from one file: `service` (API, relay, workers) and `trainer` (adds torch: training and chat).
#   docker build --target service -t tuneworks .
#   docker build --target trainer -t tuneworks-trainer .

FROM python:3.12-slim AS base
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1
WORKDIR /app
RUN useradd --create-home --uid 10001 tuneworks && install -d -o tuneworks /var/lib/tuneworks
COPY pyproject.toml README.md LICENSE ./
COPY .ci/constraints.txt .ci/constraints.txt
COPY service service
COPY worker worker
COPY migrations migrations

FROM base AS service
RUN pip install -c .ci/constraints.txt .
USER tuneworks
ENTRYPOINT ["tuneworks"]
CMD ["api"]

FROM base AS trainer
RUN pip install -c .ci/constraints.txt '.[train]'
USER tuneworks
ENTRYPOINT ["tuneworks"]
CMD ["worker", "--queues", "training", "--concurrency", "1"]
