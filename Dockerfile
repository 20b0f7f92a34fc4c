# pgkeyless and CA certificates, nothing else. scripts/build-image fills dist/.
FROM scratch
COPY dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY dist/pgkeyless /pgkeyless
# Mount AWS's configuration at /home/pgkeyless/.aws.
COPY --chown=65532:65532 dist/home /home/pgkeyless
ENV HOME=/home/pgkeyless
USER 65532:65532
EXPOSE 5432
ENTRYPOINT ["/pgkeyless"]
