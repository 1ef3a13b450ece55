# Sealgate's server. Nothing is compiled: Node.js runs the sources as they are. See docs/operations.md, "Container image".

FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image's own Node.js is the pinned one, so the `node` package's install script, which fetches another, is not run.
RUN npm ci --omit=dev --ignore-scripts

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bin ./bin
COPY crypto ./crypto
COPY sigv4 ./sigv4
COPY proxy ./proxy
USER node
EXPOSE 8080 8081
ENTRYPOINT ["node", "/app/bin/sealgate.js"]
CMD ["serve"]
