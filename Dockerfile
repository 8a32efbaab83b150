# docker build -t superficial . && docker run --rm -v "$PWD/results:/superficial/results" superficial figures/all
# Apptainer builds the same: apptainer build superficial.sif docker-daemon://superficial:latest
FROM python:3.12-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends git make fonts-noto-core fonts-noto-cjk \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /superficial
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY src src
# torch comes first: the CPU build is taken, and nothing after it asks for another.
RUN pip install --no-cache-dir torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir -c constraints.txt -e .
COPY Snakefile ./
COPY config config
COPY workflow workflow
COPY profiles profiles
COPY resources resources
ENV HOME=/tmp
ENTRYPOINT ["snakemake", "--cores", "all"]
CMD ["figures/all"]
