# docker build -t qeetid . && docker run -p 4000:4000 -v qeetid:/var/lib/qeetid -e PUBLIC_URL=https://id.example.com qeetid
FROM oven/bun:1.4.5 AS build
WORKDIR /src
COPY package.json bun.lock ./
RUN bun install --frozen-lockfile
COPY . .
RUN bun build.ts

FROM debian:12-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/qeetid --shell /usr/sbin/nologin qeetid \
 && install -d -m 700 -o qeetid -g qeetid /var/lib/qeetid /var/cache/qeetid
COPY --from=build --chmod=755 /src/dist/qeetid /usr/local/bin/qeetid
USER qeetid
# The argon2 addon is loaded from BUN_TMPDIR, so it is a directory of our own.
ENV DATA_DIR=/var/lib/qeetid BUN_TMPDIR=/var/cache/qeetid
VOLUME /var/lib/qeetid
EXPOSE 4000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["qeetid", "healthcheck"]
ENTRYPOINT ["qeetid"]
CMD ["serve"]
