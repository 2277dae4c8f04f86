# syntax=docker/dockerfile:1

# The image of Logarium: one static program, no shell, not root.
#
#   docker build -t logarium .
#   docker run --rm -e LOGARIUM_INSECURE=true -p 127.0.0.1:8080:8080 -p 127.0.0.1:9092-9094:9092-9094 logarium
#
# Inside a container the program has to listen on every address; who may reach
# it is decided by what is published, which is why that takes LOGARIUM_INSECURE.
# Several platforms, by cross-compiling, without emulation:
#
#   docker buildx build --platform linux/amd64,linux/arm64 -t logarium .

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY cmd ./cmd
COPY engine ./engine
COPY server ./server
COPY static ./static
COPY templates ./templates
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=""
ENV CGO_ENABLED=0
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags="-s -w -X main.version=$VERSION" -o /out/logarium ./cmd/logarium \
    && mkdir /out/data

FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="Logarium" \
      org.opencontainers.image.description="A live Kafka cluster under glass: brokers for any Kafka client, and a console that shows them work" \
      org.opencontainers.image.source="https://github.com/logarium/logarium" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /out/logarium /logarium
COPY LICENSE NOTICE /
# A new named volume takes over the owner of the folder that it covers.
COPY --from=build --chown=65532:65532 /out/data /data
ENV LOGARIUM_CONSOLE=0.0.0.0:8080 \
    LOGARIUM_KAFKA=0.0.0.0:9092 \
    LOGARIUM_ADVERTISE=127.0.0.1 \
    LOGARIUM_DATA=/data
USER 65532:65532
VOLUME ["/data"]
EXPOSE 8080 9092 9093 9094 29092 29093 29094
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/logarium", "healthcheck"]
ENTRYPOINT ["/logarium"]
