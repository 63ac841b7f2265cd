# The service in a container that holds this program and nothing else: no shell, no package manager, no libc. To use it:
#   1. docker build -t clearml-alerts:0.1.0 .
#   2. put the secrets into files that user 65532 can read, and make a volume: docker volume create clearml-alerts
#   3. docker run -d --name clearml-alerts --restart on-failure --read-only --cap-drop ALL --security-opt no-new-privileges \
#        -v clearml-alerts:/var/lib/clearml-alerts -v "$PWD/secrets:/run/secrets:ro" \
#        -e SLACK_API_TOKEN_FILE=/run/secrets/slack-token \
#        -e CLEARML_API_ACCESS_KEY_FILE=/run/secrets/clearml-access-key \
#        -e CLEARML_API_SECRET_KEY_FILE=/run/secrets/clearml-secret-key \
#        clearml-alerts:0.1.0 run --local --channel '#ml-alerts'
# `contrib/docker/try-in-chroot` does the same steps by hand, and tries what comes of them.

FROM rust:1.95-slim-bookworm AS build
# The C compiler for SQLite and for the cryptography of TLS comes with the image; so do the CA certificates.
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
COPY schema.sql README.md ./
# Static, so that it needs no file of this image. The target is named so that build scripts are not linked likewise.
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --target "$target" \
    && mkdir -p /root-fs/etc/ssl/certs /root-fs/usr/bin /root-fs/var/lib/clearml-alerts \
    && cp "target/$target/release/clearml-alerts" /root-fs/usr/bin/clearml-alerts \
    && cp /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
    && echo 'clearml-alerts:x:65532:65532::/var/lib/clearml-alerts:/sbin/nologin' > /root-fs/etc/passwd \
    && echo 'clearml-alerts:x:65532:' > /root-fs/etc/group \
    && echo 'hosts: files dns' > /root-fs/etc/nsswitch.conf \
    && chmod 0700 /root-fs/var/lib/clearml-alerts \
    && chown 65532:65532 /root-fs/var/lib/clearml-alerts

FROM scratch
COPY --from=build /root-fs /
USER 65532:65532
WORKDIR /var/lib/clearml-alerts
# Whatever is written, temporary files too, goes into the volume: everything else can be read-only. The C library keeps one
# store of memory for all threads instead of one for each.
ENV HOME=/var/lib/clearml-alerts \
    TMPDIR=/var/lib/clearml-alerts \
    CLEARML_ALERTS_DB=/var/lib/clearml-alerts/alerts.db \
    MALLOC_ARENA_MAX=1
VOLUME /var/lib/clearml-alerts
# It finishes the message in flight, in 5 seconds at most.
STOPSIGNAL SIGTERM
# No HEALTHCHECK: there is nothing in this image that could ask, and a service that hangs is better found from outside
# (--listen with /healthz and /readyz, --heartbeat-url).
ENTRYPOINT ["/usr/bin/clearml-alerts"]
CMD ["--help"]
