# One image for every service; docker-compose.yml says which command each of them runs.
#
# A tag can be moved to another image. To hold on to the one it names today, look its digest up with
# `docker buildx imagetools inspect python:3.11.14-slim-bookworm` and write it behind the tag, in
# both places: python:3.11.14-slim-bookworm@sha256:…

FROM python:3.11.14-slim-bookworm AS build
RUN python -m venv /opt/locard
ENV PATH=/opt/locard/bin:$PATH
WORKDIR /source
COPY requirements/all.txt requirements/all.txt
RUN pip install --no-cache-dir --require-hashes --requirement requirements/all.txt
COPY pyproject.toml README.md LICENSE ./
COPY schema schema
COPY evidence evidence
COPY redaction redaction
COPY evidence evidence
COPY ingest ingest
COPY query query
COPY cli cli
# Without isolation the build takes the locked hatchling and fetches nothing.
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11.14-slim-bookworm
# A volume takes over the owner of the directory that it is first mounted on.
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent locard \
    && install --directory --owner=locard --group=locard --mode=0700 \
        /var/lib/locard /var/lib/locard/lake /var/lib/locard/keys /var/lib/locard/quarantine
COPY --from=build /opt/locard /opt/locard
ENV PATH=/opt/locard/bin:$PATH \
    LOCARD_HOME=/var/lib/locard \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER locard
WORKDIR /tmp
ENTRYPOINT ["locard"]
CMD ["--help"]
