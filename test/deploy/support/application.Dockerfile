# An application with a stock S3 client: boto3 as Debian has it.
ARG BASE
FROM ${BASE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-boto3
