// The `ws` package on Node, as a peer of `bench`: each connection receives every fact. On /control a message is the
// number of facts to publish, and `=TOTAL` is the answer once they are published.
import { readFileSync } from "node:fs";
import { WebSocketServer } from "ws";

const PAYLOAD_BYTES = 128;
const version = JSON.parse(readFileSync(new URL("node_modules/ws/package.json", import.meta.url), "utf8")).version;

let told = 0;
const listeners = new Set();
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 4096 });
server.on("connection", (socket, request) => {
  if (request.url === "/control") {
    socket.on("message", (message) => {
      const facts = Number(message);
      for (let n = 0; n < facts; n++) {
        told += 1;
        const payload = String(told).padStart(12, "0").padEnd(PAYLOAD_BYTES, ".");
        for (const listener of listeners) listener.send(payload);
      }
      socket.send(`=${told}`);
    });
    return;
  }
  listeners.add(socket);
  socket.on("close", () => listeners.delete(socket));
  socket.on("error", () => listeners.delete(socket));
  // The number of facts so far.
  socket.send(`+${told}`);
});
server.on("listening", () => {
  console.log(`127.0.0.1:${server.address().port} ws ${version} on Node ${process.version}`);
});
