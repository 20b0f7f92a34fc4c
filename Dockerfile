# pgkeyless, CA certificates and licenses, nothing else. scripts/build-image fills dist/image.
FROM scratch
ARG TARGETARCH
LABEL org.opencontainers.image.source=https://github.com/pgkeyless/pgkeyless \
      org.opencontainers.image.licenses=Apache-2.0
COPY dist/image/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY dist/image/THIRD_PARTY_LICENSES LICENSE /licenses/
COPY dist/image/$TARGETARCH/pgkeyless /pgkeyless
# Mount AWS's configuration at /home/pgkeyless/.aws.
COPY --chown=65532:65532 dist/image/home /home/pgkeyless
ENV HOME=/home/pgkeyless
USER 65532:65532
EXPOSE 5432
ENTRYPOINT ["/pgkeyless"]
