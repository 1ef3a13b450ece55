# Sealgate's server, as one bundle. docs/kubernetes.md, "The image".

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# The image's own Node.js is the pinned one, so the `node` package's install script, which fetches another, is not run.
RUN npm ci --ignore-scripts
COPY bin ./bin
COPY crypto ./crypto
COPY deploy/bundle.ts ./deploy/bundle.ts
COPY sigv4 ./sigv4
COPY proxy ./proxy
# What the bundle does not hold: the native CRC module, for this machine.
RUN node deploy/bundle.ts && mkdir -p /native/@node-rs && cp -R node_modules/@node-rs/crc32* /native/@node-rs/

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /native ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE ./
COPY bin ./bin
RUN ln -s /app/bin/sealgate.js /usr/local/bin/sealgate
USER 1000:1000
EXPOSE 8080 8081
# Absolute: a Pod may set another working directory.
ENTRYPOINT ["node", "/app/bin/sealgate.js"]
CMD ["serve"]
